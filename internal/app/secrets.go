// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"stablemate/horde"
	"stablemate/internal/idgen"
	"stablemate/internal/store"
)

// secretBytes is the length of the generated deployment secret and of each key derived from it.
const secretBytes = 32

// secrets are the keys of a deployment. API keys are hashed with keys, image links signed with links, calls of webhooks
// with hooks, interaction tokens sealed with tokens.
type secrets struct {
	keys, links, hooks []byte
	tokens             cipher.AEAD
}

// openSecrets derives links and tokens from the configured secret, when there is one: changing it costs open links and
// no more. API keys are always hashed with what the store keeps since its first start, so that they outlive any setting.
func openSecrets(ctx context.Context, st *store.Store, configured string) (*secrets, error) {
	kept, err := st.EnsureSetting(ctx, "secret", func() ([]byte, error) {
		fresh := make([]byte, secretBytes)
		_, err := rand.Read(fresh)
		return fresh, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the deployment's secret: %w", err)
	}
	root := kept
	if configured != "" {
		root = []byte(configured)
	}
	derive := func(from []byte, use string) ([]byte, error) {
		return hkdf.Key(sha256.New, from, nil, "stablemate "+use, secretBytes)
	}
	keys, err1 := derive(kept, "api keys")
	links, err2 := derive(root, "image links")
	tokens, err3 := derive(root, "interaction tokens")
	hooks, err4 := derive(root, "webhooks")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	block, err := aes.NewCipher(tokens)
	if err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	return &secrets{keys: keys, links: links, hooks: hooks, tokens: aead}, nil
}

// seal encrypts what the store may keep but not read, bound to the row it belongs to.
func (s *secrets) seal(secret, bind []byte) ([]byte, error) {
	return s.tokens.Seal(nil, nil, secret, bind), nil //nolint:gosec // this mode draws its nonce itself
}

// unseal is the inverse of seal.
func (s *secrets) unseal(sealed, bind []byte) ([]byte, error) {
	return s.tokens.Open(nil, nil, sealed, bind)
}

// ids gives the horde its identifiers and randomness.
type ids struct{ *idgen.Source }

// UUID is a new random identifier: knowing one of a request is the right to read it.
func (i ids) UUID() horde.UUID { return horde.UUID(i.V4()) }

// Uint32 is for seeds and for picking among models.
func (ids) Uint32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return binary.LittleEndian.Uint32(b[:])
}
