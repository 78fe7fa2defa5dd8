// SPDX-License-Identifier: AGPL-3.0-or-later

// Package webhook calls the addresses of those who asked to be told of what was delivered to them.
//
// A call is a POST of JSON over https. It is signed as the Standard Webhooks specification says, so that receivers can
// check it with the libraries there are: webhook-id names the generation or form and is the same in each attempt,
// webhook-timestamp is the time of the attempt in seconds, and webhook-signature is "v1," and the base64 of the
// HMAC-SHA256 over id, timestamp and body, joined by dots, under the deployment's secret. Any answer of 2xx or 3xx ends
// it, redirects are not followed; otherwise it is tried again after growing pauses.
package webhook
