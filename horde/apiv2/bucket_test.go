// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/image/webp"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/wire"
	"stablemate/internal/blob"
	"stablemate/internal/s3test"
)

// TestImagesLiveInABucket takes images through their whole life with a real S3 service behind the door.
func TestImagesLiveInABucket(t *testing.T) {
	t.Parallel()
	at := s3test.New(t)
	bucket, err := blob.NewBucket(t.Context(), blob.BucketOptions{
		Endpoint: at.Endpoint, Region: s3test.Region, Bucket: at.Name, Prefix: "blob/", AccessKey: s3test.AccessKey,
		SecretKey: s3test.SecretKey, PathStyle: true, Upload: blob.Limits{Side: apiv2.MaxResultSide, Pixels: apiv2.MaxResultPixels},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := build(t, plan{bucket: bucket, options: apiv2.Options{PublicURL: "http://horde.invalid"}})
	_, asker := h.account(t, "asker", 0, 1000)
	_, owner := h.account(t, "owner", horde.RoleTrusted, 0)
	worker := h.client(t, owner)
	small := &wire.ImageParams{Width: 64, Height: 64}

	for what, c := range map[string]struct {
		data   []byte
		inline bool // it travels inside the submit and the status
	}{
		"an uploaded WebP":    {picture(t, 48), false},
		"an uploaded PNG":     {pngOf(t, painted(48, 255)), false},
		"a WebP in a submit":  {picture(t, 48), true},
		"a PNG in the submit": {pngOf(t, painted(48, 255)), true},
	} {
		id, job := h.job(t, asker, owner, reGen, wire.GenerateRequest{
			Prompt: "a", SourceImage: b64(picture(t, 96)), R2: new(!c.inline), Params: small,
		})
		if !strings.HasPrefix(*job.R2Upload, at.Endpoint) || job.SourceImage == nil || !strings.HasPrefix(*job.SourceImage, at.Endpoint) {
			t.Fatalf("%s: the links of %+v do not lead to the service", what, job)
		}
		if data, err := worker.Download(t.Context(), *job.SourceImage); err != nil || len(data) == 0 {
			t.Errorf("%s: the source image has %d bytes, %v", what, len(data), err)
		}
		result := b64(c.data)
		if !c.inline {
			result = wire.Uploaded
			if err := worker.Upload(t.Context(), *job.R2Upload, "image/webp", c.data); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if _, err := worker.Submit(t.Context(), wire.SubmitRequest{ID: job.IDs[0], Generation: result, Seed: 1}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		st, err := h.client(t, asker).Status(t.Context(), id)
		if err != nil || len(st.Generations) != 1 {
			t.Fatalf("%s: status = %+v, %v", what, st, err)
		}
		var got []byte
		if c.inline {
			if got, err = base64.StdEncoding.DecodeString(st.Generations[0].Img); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		} else if got, err = h.client(t, asker).Download(t.Context(), st.Generations[0].Img); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if img, err := webp.Decode(bytes.NewReader(got)); err != nil || img.Bounds().Dx() != 48 {
			t.Errorf("%s: the kept image is no WebP of its size: %v", what, err)
		}
		if err := bucket.Delete(t.Context(), job.IDs[0]+".webp"); err != nil {
			t.Fatal(err)
		}
		if st, err = h.client(t, asker).Status(t.Context(), id); err != nil || st.Generations[0].Img != wire.Gone {
			t.Errorf("%s: of an image that is gone the status says %.20q, %v", what, st.Generations[0].Img, err)
		}
	}

	_, job := h.job(t, asker, owner, reGen, wire.GenerateRequest{Prompt: "a", Params: small})
	submit := `{"id": "` + job.IDs[0] + `", "seed": 1, "generation": "R2"}`
	for _, c := range []struct {
		what string
		data []byte
		rc   string
	}{
		{"nothing", nil, "BadRequest"},
		{"no image", []byte("<html></html>"), "ImageValidationFailed"},
		{"50,000 × 50,000 pixels", hugePNG(50_000), "ImageValidationFailed"},
	} {
		if c.data != nil {
			if err := worker.Upload(t.Context(), *job.R2Upload, "image/webp", c.data); err != nil {
				t.Fatalf("%s: %v", c.what, err)
			}
		}
		if got := h.send(t, "POST", "/api/v2/generate/submit", submit, "apikey", owner); got.refusal(t).RC != c.rc {
			t.Errorf("%s: got %d %s, want %s", c.what, got.status, got.body, c.rc)
		}
	}
}
