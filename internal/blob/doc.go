// Package blob keeps image bytes: in a folder or in an S3-compatible bucket, reached through signed links that expire.
//
// An image is there for good, also after a crash or a power cut, once Put has returned. Whoever holds a signed link may
// do the one thing it names with the one key it names until it expires; nobody else reaches anything.
package blob
