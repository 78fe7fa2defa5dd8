package onnx

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"stablemate/inference/diffusion"
)

// ErrClosed is returned by runs of a model that has been closed.
var ErrClosed = errors.New("the model is closed")

// session is a loaded graph. It implements diffusion.Session.
type session struct {
	inputs []diffusion.Port
	output diffusion.Port

	mu      sync.RWMutex // held for reading while the graph runs; guards session
	session *ort.DynamicAdvancedSession
}

var _ diffusion.Session = (*session)(nil)

// load opens a graph by its path, so that weights in a file beside it are found.
func load(path string, inputs []diffusion.Port, output diffusion.Port, o *ort.SessionOptions) (*session, error) {
	names := make([]string, len(inputs))
	for i, p := range inputs {
		names[i] = p.Name
	}
	s, err := ort.NewDynamicAdvancedSession(path, names, []string{output.Name}, o)
	if err != nil {
		return nil, tidy(err)
	}
	return &session{inputs: inputs, output: output, session: s}, nil
}

// Inputs lists the graph's inputs.
func (s *session) Inputs() []diffusion.Port { return s.inputs }

// Output is the output the pipeline reads.
func (s *session) Output() diffusion.Port { return s.output }

// close waits for runs under way and frees the graph.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil {
		_ = s.session.Destroy() // it always gives nil
		s.session = nil
	}
}

// binding is memory tied to a session.
type binding struct {
	s       *session
	in      []ort.Value
	scalars []scalar
	out     []ort.Value
	options *ort.RunOptions
}

// scalar is an input without axes. The library's binding for Go copies its value when it is made,
// so it is made anew for each run.
type scalar struct {
	at   int
	from diffusion.Tensor
}

// Bind ties tensors to the graph. The library reads and writes their memory in place; it belongs to
// the Go heap, which does not move, and the values in the binding keep it alive.
func (s *session) Bind(in []diffusion.Tensor, out diffusion.Tensor) (diffusion.Binding, error) {
	if len(in) != len(s.inputs) {
		return nil, fmt.Errorf("%d tensors for %d inputs", len(in), len(s.inputs))
	}
	b := &binding{s: s}
	for i, t := range in {
		v, err := value(t)
		if err != nil {
			b.Close()
			return nil, fmt.Errorf("input %q: %w", s.inputs[i].Name, err)
		}
		b.in = append(b.in, v)
		if len(t.Shape) == 0 {
			b.scalars = append(b.scalars, scalar{i, t})
		}
	}
	v, err := value(out)
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("output %q: %w", s.output.Name, err)
	}
	b.out = []ort.Value{v}
	if b.options, err = ort.NewRunOptions(); err != nil {
		b.Close()
		return nil, tidy(err)
	}
	return b, nil
}

// value wraps the memory of a tensor.
func value(t diffusion.Tensor) (ort.Value, error) {
	if len(t.Shape) == 0 {
		return scalarValue(t)
	}
	shape := ort.NewShape(t.Shape...)
	if int64(t.Len()) != shape.FlattenedSize() || t.Len() == 0 {
		return nil, fmt.Errorf("%d elements for the shape %v", t.Len(), t.Shape)
	}
	switch t.Type {
	case diffusion.Float32:
		return wrap(ort.NewTensor(shape, t.F32))
	case diffusion.Int64:
		return wrap(ort.NewTensor(shape, t.I64))
	case diffusion.Int32:
		return wrap(ort.NewTensor(shape, t.I32))
	case diffusion.Float16:
		bytes := unsafe.Slice((*byte)(unsafe.Pointer(&t.F16[0])), 2*len(t.F16)) //nolint:gosec // the same memory as bytes
		return wrap(ort.NewCustomDataTensor(shape, bytes, ort.TensorElementDataTypeFloat16))
	case diffusion.Unsupported:
	}
	return nil, fmt.Errorf("%s elements", t.Type)
}

func scalarValue(t diffusion.Tensor) (ort.Value, error) {
	switch t.Type {
	case diffusion.Float32:
		return wrap(ort.NewScalar(t.F32[0]))
	case diffusion.Int64:
		return wrap(ort.NewScalar(t.I64[0]))
	case diffusion.Int32:
		return wrap(ort.NewScalar(t.I32[0]))
	case diffusion.Float16, diffusion.Unsupported:
	}
	return nil, fmt.Errorf("a scalar of %s", t.Type)
}

// wrap keeps a nil pointer from becoming a non-nil interface.
func wrap[V ort.Value](v V, err error) (ort.Value, error) {
	if err != nil {
		return nil, tidy(err)
	}
	return v, nil
}

// Run computes the output. A context that ends stops the library between two nodes of the graph.
func (b *binding) Run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.s.mu.RLock()
	defer b.s.mu.RUnlock()
	if b.s.session == nil || b.options == nil {
		return ErrClosed
	}
	for _, s := range b.scalars {
		v, err := scalarValue(s.from)
		if err != nil {
			return err
		}
		_ = b.in[s.at].Destroy() // it always gives nil
		b.in[s.at] = v
	}
	if ctx.Done() == nil {
		return b.run()
	}
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = b.options.Terminate() // fails only for options that do not exist
		close(told)
	})
	err := b.run()
	if !stop() {
		<-told
		if unset := b.options.UnsetTerminate(); unset != nil {
			return tidy(unset)
		}
		return ctx.Err()
	}
	return err
}

func (b *binding) run() error {
	if err := b.s.session.RunWithOptions(b.in, b.out, b.options); err != nil {
		return tidy(err)
	}
	return nil
}

// Close frees what the library holds. The tensors stay with their owner.
func (b *binding) Close() {
	for _, v := range append(b.in, b.out...) {
		_ = v.Destroy() // these always give nil
	}
	b.in, b.out, b.scalars = nil, nil, nil
	if b.options != nil {
		_ = b.options.Destroy()
		b.options = nil
	}
}
