package discord

import (
	"context"
	"errors"
	"net/http"
)

// PinMessage pins a message in its channel or thread, which needs the permission PinMessages there. A message that is
// pinned already is no error.
func (b *Bot) PinMessage(ctx context.Context, channelID, messageID string) error {
	return b.pin(ctx, http.MethodPut, channelID, messageID)
}

// UnpinMessage takes a message from those that are pinned. One that is not pinned, or gone, is no error.
func (b *Bot) UnpinMessage(ctx context.Context, channelID, messageID string) error {
	err := b.pin(ctx, http.MethodDelete, channelID, messageID)
	if IsUnknownMessage(err) {
		return nil
	}
	return err
}

// pin uses the route of today, and the older one where that does not exist.
func (b *Bot) pin(ctx context.Context, method, channelID, messageID string) error {
	do := func(path, route string) error {
		_, err := b.rest.do(ctx, call{
			method: method, path: "/channels/" + pathEscape(channelID) + path + pathEscape(messageID), route: method + " " + route,
			bucket: "pins " + channelID, bot: true, optional: true,
		})
		return err
	}
	err := do("/messages/pins/", "pin")
	if api, ok := errors.AsType[*APIError](err); ok && api.Code == 0 && (api.Status == http.StatusNotFound || api.Status == http.StatusMethodNotAllowed) {
		return do("/pins/", "old pin")
	}
	return err
}
