// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/image/webp"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/engine"
)

// painted is an image of one half-transparent or opaque colour.
func painted(side int, alpha uint8) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			img.Set(x, y, color.NRGBA{200, 40, 40, alpha})
		}
	}
	return img
}

func pngOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// job asks for one image and hands it to a worker.
func (h *house) job(t *testing.T, asker, owner, agent string, r wire.GenerateRequest) (id string, job wire.PopReply) {
	t.Helper()
	model := "tiny"
	if r.SourceProcessing == "inpainting" {
		model = "stable_diffusion_inpainting"
	}
	r.Models = []string{model}
	got, err := h.client(t, asker).Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	o := offer("dreamer "+agent[:8], model)
	o.BridgeAgent = agent
	job, err = h.client(t, owner).Pop(t.Context(), o, 0)
	if err != nil || len(job.IDs) != 1 {
		t.Fatalf("pop = %+v, %v, want a job", job, err)
	}
	return got.ID, job
}

func TestDeliveredImagesAreKeptAsWebP(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, asker := h.account(t, "asker", 0, 1000)
	_, owner := h.account(t, "owner", 0, 0)
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, painted(48, 255), nil); err != nil {
		t.Fatal(err)
	}
	worker := h.client(t, owner)
	for _, c := range []struct {
		what   string
		data   []byte
		upload bool
	}{
		{"png", pngOf(t, painted(48, 255)), false},
		{"jpeg", photo.Bytes(), false},
		{"see-through png", pngOf(t, painted(48, 100)), false},
		{"uploaded png", pngOf(t, painted(48, 255)), true},
		{"uploaded jpeg", photo.Bytes(), true},
	} {
		what, result := c.what, b64(c.data)
		id, job := h.job(t, asker, owner, reGen, wire.GenerateRequest{Prompt: "a", R2: new(false), Params: &wire.ImageParams{Width: 64, Height: 64}})
		// Worker software of today only knows how to upload, whatever the request wants.
		if job.R2Upload == nil || len(job.R2Uploads) != 1 {
			t.Fatalf("%s: a job without r2 has no upload links: %+v", what, job)
		}
		if c.upload {
			result = wire.Uploaded
			if err := worker.Upload(t.Context(), job.R2Uploads[0], "", c.data); err != nil {
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
		got, err := base64.StdEncoding.DecodeString(st.Generations[0].Img)
		if err != nil {
			t.Fatal(err)
		}
		img, err := webp.Decode(bytes.NewReader(got))
		if err != nil || img.Bounds().Dx() != 48 {
			t.Errorf("%s: the kept image is no WebP of the same size: %v", what, err)
			continue
		}
		r, g, _, _ := img.At(20, 20).RGBA()
		if r < 2*g {
			t.Errorf("%s: red became %v", what, img.At(20, 20))
		}
		if err := h.blobs.Delete(t.Context(), job.IDs[0]+".webp"); err != nil {
			t.Fatal(err)
		}
		if st, err = h.client(t, asker).Status(t.Context(), id); err != nil || st.Generations[0].Img != wire.Gone {
			t.Errorf("%s: of an image that is gone the status says %.20q, %v", what, st.Generations[0].Img, err)
		}
	}
}

func TestSourceImagesReachTheWorker(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, asker := h.account(t, "asker", 0, 1000)
	_, owner := h.account(t, "owner", horde.RoleTrusted, 0)
	source := b64(pngOf(t, painted(128, 255)))
	ask := wire.GenerateRequest{
		Prompt: "a", SourceImage: source, SourceMask: source, SourceProcessing: "inpainting",
		Params: &wire.ImageParams{Width: 64, Height: 64, DenoisingStrength: new(0.4)},
	}
	_, job := h.job(t, asker, owner, reGen, ask)
	if job.SourceProcessing != "inpainting" || job.SourceImage == nil || job.SourceMask == nil || job.Payload.DenoisingStrength == nil {
		t.Fatalf("pop = %+v, want source, mask and strength", job)
	}
	for _, link := range []string{*job.SourceImage, *job.SourceMask} {
		data, err := h.client(t, owner).Download(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		if img, err := webp.Decode(bytes.NewReader(data)); err != nil || img.Bounds().Dx() != 128 {
			t.Errorf("the source image is no WebP of its size: %v", err)
		}
	}

	// Software too old for links gets the bytes; it asks for no upload link either.
	ask.R2 = new(false)
	_, job = h.job(t, asker, owner, "AI Horde Worker:7:old", ask)
	if job.SourceImage == nil || strings.HasPrefix(*job.SourceImage, "http") {
		t.Fatalf("old software gets %+v", job)
	}
	if data, err := base64.StdEncoding.DecodeString(*job.SourceImage); err != nil || !bytes.HasPrefix(data, []byte("RIFF")) {
		t.Errorf("the source image is no base64 WebP: %v", err)
	}

	// A see-through source is its own mask.
	ask.SourceMask, ask.SourceImage = "", b64(pngOf(t, painted(64, 90)))
	if _, err := h.client(t, asker).Generate(t.Context(), ask); err != nil {
		t.Errorf("inpainting of a see-through image: %v", err)
	}
}

func TestARefusedRequestLeavesNoSourceImage(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	got := h.send(t, "POST", "/api/v2/generate/async", `{"prompt": "a", "slow_workers": false, "source_image": "`+b64(picture(t, 64))+
		`", "params": {"steps": 100, "width": 1024, "height": 1024}}`, "apikey", "0000000000")
	if got.refusal(t).RC != "KudosUpfront" {
		t.Errorf("got %d %s, want a refusal", got.status, got.body)
	}
	if n := h.images(t); n != 0 {
		t.Errorf("%d images are kept", n)
	}
}

// images counts what the image store holds, and empties it.
func (h *house) images(t *testing.T) int {
	t.Helper()
	n, err := h.blobs.Sweep(t.Context(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMaintenanceTakesNoRequests(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	if _, err := engine.Do(t.Context(), h.Engine, horde.SetModes{Modes: horde.Modes{Maintenance: true}}); err != nil {
		t.Fatal(err)
	}
	got := h.send(t, "POST", "/api/v2/generate/async", `{"prompt": "a"}`, "apikey", "0000000000")
	if got.status != 400 || got.refusal(t).RC != "MaintenanceMode" {
		t.Errorf("got %d %s, want 400 MaintenanceMode", got.status, got.body)
	}
}

func TestUploadLinksAllowOneThing(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	_, asker := h.account(t, "asker", 0, 1000)
	_, owner := h.account(t, "owner", 0, 0)
	_, job := h.job(t, asker, owner, reGen, wire.GenerateRequest{Prompt: "a", Params: &wire.ImageParams{Width: 64, Height: 64}})
	worker := h.client(t, owner)
	if _, err := worker.Download(t.Context(), *job.R2Upload); err == nil {
		t.Error("an upload link can be read")
	}
	if err := worker.Upload(t.Context(), strings.Replace(*job.R2Upload, job.IDs[0], "00000000-0000-4000-8000-000000000000", 1), "image/webp", picture(t, 8)); err == nil {
		t.Error("an upload link of one key takes another")
	}
	if err := worker.Upload(t.Context(), *job.R2Upload, "image/webp", hugePNG(50_000)); err == nil {
		t.Error("an upload of 50,000 × 50,000 pixels is taken")
	}
	if err := worker.Upload(t.Context(), *job.R2Upload, "image/webp", picture(t, 8)); err != nil {
		t.Error(err)
	}
	img, err := h.blobs.Open(t.Context(), job.IDs[0]+".webp")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = img.Close() }()
	if data, err := io.ReadAll(img); err != nil || !bytes.Equal(data, picture(t, 8)) {
		t.Errorf("the image is not what was uploaded: %v", err)
	}
}
