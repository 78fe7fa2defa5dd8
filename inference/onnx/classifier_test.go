package onnx_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"stablemate/inference/onnx"
)

const safetyNetwork = "../models/safety-nsfw/model.onnx"

// disc is a coloured disc on white, 224×224 pixels: about as much as an emoji is.
func disc(red, green, blue float32) []float32 {
	const side = 224
	pixels := make([]float32, 0, side*side*3)
	for y := range side {
		for x := range side {
			if math.Hypot(float64(x-side/2), float64(y-side/2)) < 90 {
				pixels = append(pixels, red, green, blue)
			} else {
				pixels = append(pixels, 1, 1, 1)
			}
		}
	}
	return pixels
}

func openSafety(t *testing.T) *onnx.Classifier {
	t.Helper()
	c, err := onnx.OpenClassifier(t.Context(), safetyNetwork, onnx.Options{Library: library(t), Threads: 1, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestSafetyNetworkPassesEmojiLikePictures(t *testing.T) {
	t.Parallel()
	c := openSafety(t)
	var all sync.WaitGroup
	for name, colour := range map[string][3]float32{
		"red": {0.9, 0.1, 0.1}, "yellow": {1, 0.8, 0.1}, "skin": {0.95, 0.78, 0.62}, "black": {0, 0, 0}, "white": {1, 1, 1}, "green": {0.2, 0.7, 0.2},
	} {
		all.Go(func() {
			p, err := c.Classify(t.Context(), disc(colour[0], colour[1], colour[2]))
			if err != nil || len(p) != 5 {
				t.Errorf("%s: %v, %v", name, p, err)
				return
			}
			// Drawing, Hentai, Neutral, Porn, Sexy.
			if sum := p[0] + p[1] + p[2] + p[3] + p[4]; sum < 0.99 || sum > 1.01 {
				t.Errorf("%s: %v sums to %v", name, p, sum)
			}
			if p[1]+p[3]+p[4] > 0.3 {
				t.Errorf("%s: %v, want mostly Drawing or Neutral", name, p)
			}
		})
	}
	all.Wait()
}

func TestClassifierRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	c := openSafety(t)
	if _, err := c.Classify(t.Context(), make([]float32, 10)); err == nil {
		t.Error("Classify took ten numbers for a picture")
	}
	for name, path := range map[string]string{
		"a graph with other inputs": "testdata/older/unet/model.onnx", "no graph": "classifier.go", "nothing": "testdata/none.onnx",
	} {
		if c, err := onnx.OpenClassifier(t.Context(), path, onnx.Options{Library: library(t), Now: time.Now}); err == nil {
			c.Close()
			t.Errorf("%s: OpenClassifier took it", name)
		}
	}
	c.Close()
	c.Close()
	if _, err := c.Classify(t.Context(), disc(1, 0, 0)); err == nil {
		t.Error("Classify worked after Close")
	}
}

func BenchmarkSafetyNetwork(b *testing.B) {
	c, err := onnx.OpenClassifier(b.Context(), safetyNetwork, onnx.Options{Library: library(b), Threads: 1, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	pixels := disc(1, 0, 0)
	for b.Loop() {
		if _, err := c.Classify(b.Context(), pixels); err != nil {
			b.Fatal(err)
		}
	}
}
