// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"bytes"
	"encoding/json"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/image/webp"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/wire"
	"stablemate/internal/fetch"
)

const cascade = "Stable Cascade 1.0"

// gallery serves images, and what is none, at addresses of this machine.
func gallery(t *testing.T, files map[string][]byte) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := files[r.URL.Path]
		switch {
		case r.URL.Path == "/away":
			http.Redirect(w, r, "http://192.168.0.1/a.png", http.StatusFound)
		case !ok:
			http.NotFound(w, r)
		default:
			_, _ = w.Write(data)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func nearby() apiv2.Options {
	return apiv2.Options{Fetch: fetch.New(fetch.Options{AllowLoopback: true, Timeout: 10 * time.Second})}
}

func TestSourceImagesComeFromAddresses(t *testing.T) {
	t.Parallel()
	h := build(t, plan{options: nearby()})
	_, asker := h.account(t, "asker", 0, 1000)
	_, owner := h.account(t, "owner", horde.RoleTrusted, 0)
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, painted(128, 255), nil); err != nil {
		t.Fatal(err)
	}
	at := gallery(t, map[string][]byte{"/photo": photo.Bytes(), "/mask": pngOf(t, painted(96, 255)), "/window": pngOf(t, painted(64, 90))})
	ask := wire.GenerateRequest{
		Prompt: "a", SourceImage: at + "/photo", SourceMask: at + "/mask", SourceProcessing: "inpainting",
		Params: &wire.ImageParams{Width: 64, Height: 64},
	}
	_, job := h.job(t, asker, owner, reGen, ask)
	if job.SourceImage == nil || job.SourceMask == nil {
		t.Fatalf("pop = %+v, want a source image and a mask", job)
	}
	for link, side := range map[string]int{*job.SourceImage: 128, *job.SourceMask: 96} {
		if strings.HasPrefix(link, at) {
			t.Errorf("the worker is sent to the asker's own address %s", link)
		}
		data, err := h.client(t, owner).Download(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		if img, err := webp.Decode(bytes.NewReader(data)); err != nil || img.Bounds().Dx() != side {
			t.Errorf("the kept image is no WebP of %d pixels: %v", side, err)
		}
	}
	ask.SourceImage, ask.SourceMask = at+"/window", ""
	if _, err := h.client(t, asker).Generate(t.Context(), ask); err != nil {
		t.Errorf("inpainting of a see-through image at an address: %v", err)
	}
}

func TestWhatAnAddressHoldsIsCheckedLikeTheRest(t *testing.T) {
	t.Parallel()
	h := build(t, plan{options: nearby()})
	_, key := h.account(t, "asker", 0, 1000)
	at := gallery(t, map[string][]byte{
		"/good": picture(t, 64), "/text": []byte("<html>no image</html>"), "/empty": {}, "/huge": hugePNG(50_000),
		"/torn": hugePNG(64), "/long": make([]byte, apiv2.MaxSourceBytes+1),
	})
	for what, c := range map[string]struct{ image, mask, rc string }{
		"no image":                         {"/text", "", "ImageValidationFailed"},
		"an empty file":                    {"/empty", "", "ImageValidationFailed"},
		"50,000 × 50,000 pixels":           {"/huge", "", "SourceImageResolutionExceeded"},
		"an image that breaks off":         {"/torn", "", "SourceImageUnreadable"},
		"more bytes than are taken":        {"/long", "", "SourceImageSizeExceeded"},
		"nothing":                          {"/gone", "", "SourceImageUnreadable"},
		"the way to a private address":     {"/away", "", "SourceImageUrlInvalid"},
		"a mask that is no image":          {"/good", "/text", "ImageValidationFailed"},
		"a mask at a private address":      {"/good", "/away", "SourceImageUrlInvalid"},
		"inpainting of what has no window": {"/good", "", "InpaintingMissingMask"},
	} {
		body := map[string]string{"prompt": "a", "source_image": at + c.image, "source_processing": "inpainting"}
		if c.mask != "" {
			body["source_mask"] = at + c.mask
		}
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		got := h.send(t, "POST", "/api/v2/generate/async", string(text), "apikey", key)
		e := got.refusal(t)
		if got.status != 400 || e.RC != c.rc || c.rc != "InpaintingMissingMask" && !strings.HasPrefix(e.Message, "Image validation failed") {
			t.Errorf("%s: got %d %s, want 400 %s", what, got.status, got.body, c.rc)
		}
		if strings.Contains(e.Message, "192.168") {
			t.Errorf("%s: the refusal tells where a redirect led: %s", what, e.Message)
		}
	}
	if n := h.images(t); n != 0 {
		t.Errorf("%d images of refused requests are kept", n)
	}
}

func TestARemixBringsItsImages(t *testing.T) {
	t.Parallel()
	h := build(t, plan{options: nearby()})
	_, asker := h.account(t, "asker", horde.RoleTrusted, 1000)
	_, owner := h.account(t, "owner", horde.RoleTrusted, 0)
	at := gallery(t, map[string][]byte{"/third": picture(t, 96)})
	if _, err := h.client(t, asker).Generate(t.Context(), wire.GenerateRequest{
		Prompt: "a", Models: []string{cascade}, SourceImage: b64(picture(t, 128)), SourceProcessing: "remix",
		ExtraSourceImages: []wire.ExtraSourceImage{{Image: b64(picture(t, 64)), Strength: 0.5}, {Image: at + "/third", Strength: 1}},
		Params:            &wire.ImageParams{Width: 64, Height: 64},
	}); err != nil {
		t.Fatal(err)
	}
	job, err := h.client(t, owner).Pop(t.Context(), offer("cascade dreamer", cascade), 0)
	if err != nil || len(job.IDs) != 1 || job.SourceProcessing != "remix" || len(job.ExtraSourceImages) != 2 {
		t.Fatalf("pop = %+v, %v, want a remix of two further images", job, err)
	}
	for i, want := range []struct {
		side     int
		strength wire.Float
	}{{64, 0.5}, {96, 1}} {
		x := job.ExtraSourceImages[i]
		data, err := h.client(t, owner).Download(t.Context(), x.Image)
		if err != nil {
			t.Fatal(err)
		}
		if img, err := webp.Decode(bytes.NewReader(data)); err != nil || img.Bounds().Dx() != want.side || x.Strength != want.strength {
			t.Errorf("further image %d has strength %v, want %v, and %d pixels: %v", i, x.Strength, want.strength, want.side, err)
		}
	}
}
