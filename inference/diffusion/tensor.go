package diffusion

import (
	"context"
	"fmt"
	"slices"
)

// Type is the element type of a tensor.
type Type uint8

// The element types the pipeline can feed and read. Anything else is Unsupported.
const (
	Unsupported Type = iota
	Float32
	Float16
	Int64
	Int32
)

// String names the type as ONNX does.
func (t Type) String() string {
	switch t {
	case Float32:
		return "float32"
	case Float16:
		return "float16"
	case Int64:
		return "int64"
	case Int32:
		return "int32"
	case Unsupported:
	}
	return "unsupported"
}

// Port is one input or output as a graph declares it.
type Port struct {
	Name string
	Type Type
	// Dims has one entry per axis; -1 stands for an axis of free length. It is empty for a scalar.
	Dims []int64
	// Symbols names the free axes ("" where the graph does not). It is as long as Dims.
	Symbols []string
}

// dim returns the declared length of an axis, or -1 when it is free or absent.
func (p Port) dim(axis int) int {
	if axis >= len(p.Dims) || p.Dims[axis] <= 0 {
		return -1
	}
	return int(p.Dims[axis])
}

// symbol returns the name of an axis, or "".
func (p Port) symbol(axis int) string {
	if axis >= len(p.Symbols) {
		return ""
	}
	return p.Symbols[axis]
}

// Tensor is a dense array in row-major order. Exactly the slice that belongs to Type is set; its
// length is the product of Shape. Float16 elements are kept as their bits.
type Tensor struct {
	Type  Type
	Shape []int64
	F32   []float32
	F16   []uint16
	I64   []int64
	I32   []int32
}

// NewTensor makes a tensor of zeros. It panics for Unsupported, which New refuses before any
// tensor is made.
func NewTensor(t Type, shape ...int64) Tensor {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	out := Tensor{Type: t, Shape: slices.Clone(shape)}
	switch t {
	case Float32:
		out.F32 = make([]float32, n)
	case Float16:
		out.F16 = make([]uint16, n)
	case Int64:
		out.I64 = make([]int64, n)
	case Int32:
		out.I32 = make([]int32, n)
	case Unsupported:
		panic("diffusion: tensor of an unsupported type")
	}
	return out
}

// Len is the number of elements.
func (t Tensor) Len() int {
	return max(len(t.F32), len(t.F16), len(t.I64), len(t.I32))
}

// put writes src·scale to the elements from offset on, converting to the element type.
func (t Tensor) put(offset int, src []float32, scale float32) {
	switch t.Type {
	case Float32:
		dst := t.F32[offset : offset+len(src)]
		if scale == 1 {
			copy(dst, src)
			return
		}
		for i, v := range src {
			dst[i] = v * scale
		}
	case Float16:
		dst := t.F16[offset : offset+len(src)]
		for i, v := range src {
			dst[i] = toHalf(v * scale)
		}
	case Int64, Int32, Unsupported:
		panic("diffusion: floats put into a tensor of " + t.Type.String())
	}
}

// floats returns the elements as float32. Float32 tensors give their own memory, others are
// converted into scratch, which grows as needed.
func (t Tensor) floats(scratch *[]float32) []float32 {
	if t.Type == Float32 {
		return t.F32
	}
	dst := grow(scratch, len(t.F16))
	for i, v := range t.F16 {
		dst[i] = fromHalf(v)
	}
	return dst
}

// grow returns a slice of n elements, reusing p's memory.
func grow(p *[]float32, n int) []float32 {
	if cap(*p) < n {
		*p = make([]float32, n)
	}
	*p = (*p)[:n]
	return *p
}

// fill sets every element to v, rounded to a whole number for integer types.
func (t Tensor) fill(v float64) {
	for i := range t.F32 {
		t.F32[i] = float32(v)
	}
	for i := range t.F16 {
		t.F16[i] = toHalf(float32(v))
	}
	for i := range t.I64 {
		t.I64[i] = int64(v + 0.5)
	}
	for i := range t.I32 {
		t.I32[i] = int32(v + 0.5)
	}
}

// putIDs writes token ids from offset on.
func (t Tensor) putIDs(offset int, ids []int32) {
	if t.Type == Int32 {
		copy(t.I32[offset:], ids)
		return
	}
	for i, id := range ids {
		t.I64[offset+i] = int64(id)
	}
}

// Session is a loaded network: one graph, its inputs and the one output the pipeline reads.
// Implementations must allow concurrent use, also of several Bindings at a time.
type Session interface {
	// Inputs lists all inputs in the order Bind expects them.
	Inputs() []Port
	// Output is the output that Bind fills.
	Output() Port
	// Bind ties memory to the graph: every Run reads in and overwrites out in place. The shapes are
	// concrete and fit the ports.
	Bind(in []Tensor, out Tensor) (Binding, error)
}

// Binding is a Session with memory tied to it, so that a step costs no allocation.
// It is not safe for concurrent use.
type Binding interface {
	// Run computes the output. When ctx ends it stops as soon as it can and returns an error that
	// wraps the context's; the Binding stays usable.
	Run(ctx context.Context) error
	// Close gives the tie back. The tensors stay with their owner.
	Close()
}

// findPort returns the index of the first input with one of the names, or -1.
func findPort(ports []Port, names ...string) int {
	for _, name := range names {
		if i := slices.IndexFunc(ports, func(p Port) bool { return p.Name == name }); i >= 0 {
			return i
		}
	}
	return -1
}

// wantFloat refuses ports that do not carry floats.
func wantFloat(part string, p Port) error {
	if p.Type != Float32 && p.Type != Float16 {
		return fmt.Errorf("%s: %q carries %s elements, want float32 or float16", part, p.Name, p.Type)
	}
	return nil
}
