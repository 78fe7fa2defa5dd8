package onnx

import (
	"fmt"
	"runtime"
	"strconv"

	ort "github.com/yalue/onnxruntime_go"
)

// The execution providers Options.Provider can name.
const (
	CPU    = "cpu"
	CUDA   = "cuda"   // NVIDIA; needs the provider's own library beside the main one
	WebGPU = "webgpu" // any GPU with a Vulkan, Direct3D 12 or Metal driver
	Auto   = "auto"   // the first of CUDA, WebGPU and CPU that works
)

// candidates lists the providers to try for a wish. The CPU is always the last resort.
func candidates(wish string) ([]string, error) {
	switch wish {
	case "", CPU:
		return []string{CPU}, nil
	case CUDA, WebGPU:
		return []string{wish, CPU}, nil
	case Auto:
		return []string{CUDA, WebGPU, CPU}, nil
	}
	return nil, fmt.Errorf("unknown provider %q, want %s, %s, %s or %s", wish, CPU, CUDA, WebGPU, Auto)
}

// sessionOptions prepares the options for one provider. The caller destroys them.
func sessionOptions(provider string, device, threads int) (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, tidy(err)
	}
	if err := configure(o, provider, device, threads); err != nil {
		_ = o.Destroy()
		return nil, tidy(err)
	}
	return o, nil
}

func configure(o *ort.SessionOptions, provider string, device, threads int) error {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	if err := o.SetIntraOpNumThreads(threads); err != nil {
		return err
	}
	if err := o.SetInterOpNumThreads(1); err != nil {
		return err
	}
	if err := o.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll); err != nil {
		return err
	}
	if err := o.SetLogSeverityLevel(ort.LoggingLevelFatal); err != nil { // errors come back as errors
		return err
	}
	for _, entry := range [][2]string{
		// Threads that spin while they wait starve everybody else on a shared machine.
		{"session.intra_op.allow_spinning", "0"},
		{"session.inter_op.allow_spinning", "0"},
		{"session.set_denormal_as_zero", "1"},
	} {
		if err := o.AddSessionConfigEntry(entry[0], entry[1]); err != nil {
			return err
		}
	}
	switch provider {
	case CUDA:
		cuda, err := ort.NewCUDAProviderOptions()
		if err != nil {
			return err
		}
		defer func() { _ = cuda.Destroy() }()
		if err := cuda.Update(map[string]string{
			"device_id":                 strconv.Itoa(device),
			"arena_extend_strategy":     "kSameAsRequested", // the default doubles, and wastes memory
			"cudnn_conv_algo_search":    "HEURISTIC",        // the default tries all for each new size
			"do_copy_in_default_stream": "1",
		}); err != nil {
			return err
		}
		return o.AppendExecutionProviderCUDA(cuda)
	case WebGPU:
		return o.AppendExecutionProvider("WebGPU", map[string]string{})
	}
	return nil
}
