// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"stablemate/horde/apiv2"
	"stablemate/internal/blob"
)

// uploadLimits bound what workers upload: a delivered image may be an enlarged one.
func uploadLimits() blob.Limits {
	return blob.Limits{Bytes: blob.MaxUpload, Side: apiv2.MaxResultSide, Pixels: apiv2.MaxResultPixels}
}

// openImages opens the bucket when one is configured, otherwise the folder.
func (c *core) openImages(ctx context.Context) error {
	s := c.cfg.S3
	if s.Bucket != "" {
		bucket, err := blob.NewBucket(ctx, blob.BucketOptions{
			Endpoint: s.Endpoint, Public: s.PublicEndpoint, Region: s.Region, Bucket: s.Bucket, Prefix: s.Prefix,
			AccessKey: s.AccessKey.Reveal(), SecretKey: s.SecretKey.Reveal(), PathStyle: s.PathStyle, Upload: uploadLimits(),
		})
		if err != nil {
			return fmt.Errorf("open the image bucket: %w", err)
		}
		c.images, c.bucket = bucket, bucket
		return nil
	}
	dir := c.cfg.Store.ImagesDir
	if dir == "" {
		dir = filepath.Join(c.cfg.Server.DataDir, "images")
	}
	folder, err := blob.NewStore(dir)
	if err != nil {
		return fmt.Errorf("open the image folder: %w", err)
	}
	c.images, c.folder = folder, folder
	return nil
}

// albumFolder is where images of chat stay, beside the database: its rows and they belong together.
const albumFolder = "album"

// openAlbum opens where what was made in chat stays for as long as its buttons work.
func (a *assembly) openAlbum() error {
	folder, err := blob.NewStore(filepath.Join(a.cfg.Server.DataDir, albumFolder))
	if err != nil {
		return fmt.Errorf("open the album: %w", err)
	}
	a.kept = folder
	return nil
}

// imageLinks is who makes links to images, and the door behind them where that is ours. What is in the album is behind our
// door in any case.
func (a *assembly) imageLinks() (blob.Links, http.Handler, error) {
	if a.bucket != nil && a.kept == nil {
		return a.bucket, nil, nil
	}
	signer, err := blob.NewSigner(a.secrets.links, a.url, systemClock.Now)
	if err != nil {
		return nil, nil, fmt.Errorf("sign links: %w", err)
	}
	a.signer = signer
	if a.bucket != nil {
		return a.bucket, blob.Handler(a.kept, signer, blob.HandlerOptions{Log: a.log}), nil
	}
	l := uploadLimits()
	return signer, blob.Handler(a.folder, signer, blob.HandlerOptions{
		Log: a.log, MaxUpload: l.Bytes, MaxSide: l.Side, MaxPixels: l.Pixels, Kept: a.kept,
	}), nil
}

// chatLink makes links to images for people in chat, where they can reach us: not when all we know is an address on this
// machine, unless the chat is the one of this machine too.
func (a *assembly) chatLink() func(key string, life time.Duration) (string, bool) {
	if !a.cfg.SandboxOn() && a.cfg.Discord.BaseURL == "" && !public(a.cfg.Server.PublicURL) {
		return nil
	}
	return func(key string, life time.Duration) (string, bool) {
		link, err := a.signer.ReadLink(key, life)
		if err != nil {
			a.log.Warn().Err(err).Msg("cannot make a link to an image")
		}
		return link, err == nil
	}
}

// public reports whether an address may be one that others reach.
func public(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback() && !ip.IsUnspecified())
}
