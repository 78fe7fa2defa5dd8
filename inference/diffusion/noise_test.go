package diffusion_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"stablemate/inference/diffusion"
)

// TestNoiseEqualsTorch compares with numbers written by testdata/randn.py. The last bit may differ
// because torch rounds its vectorised logarithms differently.
func TestNoiseEqualsTorch(t *testing.T) {
	t.Parallel()
	const tolerance = 2e-6
	var file struct {
		Cases []struct {
			Seed         uint64
			N            int
			Head, Tail   []float64
			Sum, Squares float64
		}
	}
	readJSON(t, "testdata/randn.json", &file)
	for _, c := range file.Cases {
		got := make([]float32, c.N)
		diffusion.NewNoise(c.Seed).Fill(got)
		for i, want := range c.Head {
			if math.Abs(float64(got[i])-want) > tolerance {
				t.Errorf("seed %d, %d numbers: [%d] = %v, want %v", c.Seed, c.N, i, got[i], want)
			}
		}
		for i, want := range c.Tail {
			at := c.N - len(c.Tail) + i
			if math.Abs(float64(got[at])-want) > tolerance {
				t.Errorf("seed %d, %d numbers: [%d] = %v, want %v", c.Seed, c.N, at, got[at], want)
			}
		}
		var sum, squares float64
		for _, v := range got {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		if math.Abs(sum-c.Sum) > 1e-3 || math.Abs(squares-c.Squares) > 1e-2 {
			t.Errorf("seed %d, %d numbers: sum %v and squares %v, want %v and %v", c.Seed, c.N, sum, squares, c.Sum, c.Squares)
		}
	}
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func BenchmarkNoise(b *testing.B) {
	x := make([]float32, 4*64*64)
	noise := diffusion.NewNoise(1)
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		noise.Fill(x)
	}
}
