package onnx

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/inference/diffusion"
)

// TestReadGraph is inside the package: what it reads is only visible through a whole model.
func TestReadGraph(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path string
		want graphInfo
	}{
		{"testdata/modern/unet/model.onnx", graphInfo{
			inputs: []diffusion.Port{
				{Name: "sample", Type: diffusion.Float32, Dims: []int64{-1, -1, -1, -1}, Symbols: []string{"batch_size", "num_channels", "height", "width"}},
				{Name: "timestep", Type: diffusion.Int64},
				{Name: "encoder_hidden_states", Type: diffusion.Float32, Dims: []int64{-1, -1, 8}, Symbols: []string{"batch_size", "sequence_length", ""}},
			},
			outputs: []diffusion.Port{{Name: "out_sample", Type: diffusion.Float32, Dims: []int64{-1, 4, -1, -1}, Symbols: []string{"batch_size", "", "height", "width"}}},
		}},
		{"testdata/older/unet/model.onnx", graphInfo{
			inputs: []diffusion.Port{
				{Name: "sample", Type: diffusion.Float32, Dims: []int64{1, 4, 8, 8}, Symbols: make([]string, 4)},
				{Name: "timestep", Type: diffusion.Float32, Dims: []int64{1}, Symbols: make([]string, 1)},
				{Name: "encoder_hidden_states", Type: diffusion.Float32, Dims: []int64{1, 77, 8}, Symbols: make([]string, 3)},
			},
			outputs: []diffusion.Port{{Name: "out_sample", Type: diffusion.Float32, Dims: []int64{1, 4, 8, 8}, Symbols: make([]string, 4)}},
		}},
	} {
		got, err := readGraph(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(graphInfo{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.path, diff)
		}
	}
}

func TestEveryCutIsNoticed(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/older/vae_decoder/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := parseModel(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		cut, err := parseModel(bytes.NewReader(data[:n]), int64(n))
		if err == nil && !cmp.Equal(cut, whole, cmp.AllowUnexported(graphInfo{})) {
			t.Errorf("cut to %d of %d bytes the graph is read as another one", n, len(data))
		}
	}
}

func FuzzReadGraph(f *testing.F) {
	for _, path := range []string{"testdata/older/vae_decoder/model.onnx", "testdata/half/unet/model.onnx"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := parseModel(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for _, p := range append(info.inputs, info.outputs...) {
			if len(p.Dims) != len(p.Symbols) {
				t.Errorf("%q has %d axes and %d names of axes", p.Name, len(p.Dims), len(p.Symbols))
			}
		}
	})
}
