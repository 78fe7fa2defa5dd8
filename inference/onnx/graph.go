package onnx

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"stablemate/inference/diffusion"
)

// graphInfo is what a model file declares.
type graphInfo struct {
	inputs, outputs []diffusion.Port
}

const (
	maxPorts     = 4096    // inputs and outputs of a graph, counted together with its weights' names
	maxPortBytes = 1 << 20 // the description of one
	maxAxes      = 8
)

// readGraph reads the inputs and outputs of an ONNX file. ONNX Runtime could tell them too, but only
// from a session of its own, and loading a model twice takes seconds. Reading also finds files that
// end early, with a clearer word than the library has for them.
func readGraph(path string) (graphInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return graphInfo{}, err
	}
	defer func() { _ = f.Close() }()
	stat, err := f.Stat()
	if err != nil {
		return graphInfo{}, err
	}
	if !stat.Mode().IsRegular() {
		return graphInfo{}, fmt.Errorf("%s is not a file", path)
	}
	info, err := parseModel(f, stat.Size())
	if err != nil {
		return graphInfo{}, fmt.Errorf("%s is not a sound ONNX model: %w", filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path)), err)
	}
	return info, nil
}

var (
	errCut      = errors.New("the file ends too early")
	errEncoding = errors.New("it is not in the protobuf encoding")
)

// message walks over the fields of a protobuf message that ends at `end`.
type message struct {
	r   io.ReadSeeker
	buf *bufio.Reader
	pos int64
	end int64
}

// field is one field; for length-delimited ones, size bytes follow.
type field struct {
	number int
	wire   int
	value  uint64 // of a varint
	size   int64
}

func (m *message) varint() (uint64, error) {
	v, err := binary.ReadUvarint(countingReader{m})
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, errCut
	}
	if err != nil {
		return 0, errEncoding
	}
	return v, nil
}

type countingReader struct{ m *message }

// ReadByte reads within the message.
func (c countingReader) ReadByte() (byte, error) {
	if c.m.pos >= c.m.end {
		return 0, io.EOF
	}
	b, err := c.m.buf.ReadByte()
	if err == nil {
		c.m.pos++
	}
	return b, err
}

// next reads the head of a field; ok is false at the end of the message.
func (m *message) next() (f field, ok bool, err error) {
	if m.pos == m.end {
		return f, false, nil
	}
	tag, err := m.varint()
	if err != nil {
		return f, false, err
	}
	f.number, f.wire = int(tag>>3&(1<<29-1)), int(tag&7)
	switch f.wire {
	case 0:
		f.value, err = m.varint()
	case 1:
		f.size = 8
	case 5:
		f.size = 4
	case 2:
		var n uint64
		if n, err = m.varint(); err == nil && n > uint64(m.end-m.pos) {
			err = errCut
		}
		f.size = int64(n)
	default:
		err = errEncoding
	}
	if err == nil && f.size > m.end-m.pos {
		err = errCut
	}
	if f.number == 0 && err == nil {
		err = errEncoding
	}
	return f, err == nil, err
}

// skip passes over a field's bytes, seeking where they are many.
func (m *message) skip(size int64) error {
	if size <= int64(m.buf.Buffered()) {
		_, err := m.buf.Discard(int(size))
		m.pos += size
		return err
	}
	if _, err := m.r.Seek(m.pos+size, io.SeekStart); err != nil {
		return err
	}
	m.buf.Reset(m.r)
	m.pos += size
	return nil
}

// bytes reads a whole field.
func (m *message) bytes(size int64) ([]byte, error) {
	if size > maxPortBytes {
		return nil, errEncoding
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(m.buf, data); err != nil {
		return nil, errCut
	}
	m.pos += size
	return data, nil
}

// inside returns the message in a field.
func (m *message) inside(size int64) *message {
	return &message{r: m.r, buf: m.buf, pos: m.pos, end: m.pos + size}
}

func parseModel(r io.ReadSeeker, size int64) (graphInfo, error) {
	m := &message{r: r, buf: bufio.NewReaderSize(r, 16<<10), end: size}
	var info graphInfo
	found := false
	for {
		f, ok, err := m.next()
		if err != nil {
			return info, err
		}
		if !ok {
			break
		}
		if f.number == 7 && f.wire == 2 { // graph
			graph := m.inside(f.size)
			if info, err = parseGraph(graph); err != nil {
				return info, err
			}
			found = true
			m.pos = graph.end
			continue
		}
		if err := m.skip(f.size); err != nil {
			return info, err
		}
	}
	switch {
	case !found:
		return info, errors.New("it holds no graph")
	case len(info.inputs) == 0 || len(info.outputs) == 0:
		return info, errors.New("its graph has no inputs or no outputs")
	}
	return info, nil
}

func parseGraph(m *message) (graphInfo, error) {
	var info graphInfo
	weights := map[string]bool{} // older files list weights among the inputs too
	seen := 0
	for {
		f, ok, err := m.next()
		if err != nil || !ok {
			info.inputs = slices.DeleteFunc(info.inputs, func(p diffusion.Port) bool { return weights[p.Name] })
			return info, err
		}
		switch {
		case f.wire == 2 && f.number == 5: // initializer
			tensor := m.inside(f.size)
			name, err := parseTensorName(tensor)
			if err != nil {
				return info, err
			}
			weights[name] = true
			m.pos = tensor.end
		case f.wire == 2 && (f.number == 11 || f.number == 12): // input, output
			if seen++; seen > maxPorts {
				return info, errEncoding
			}
			data, err := m.bytes(f.size)
			if err != nil {
				return info, err
			}
			port, err := parsePort(data)
			if err != nil {
				return info, err
			}
			if f.number == 11 {
				info.inputs = append(info.inputs, port)
			} else {
				info.outputs = append(info.outputs, port)
			}
		default:
			if err := m.skip(f.size); err != nil {
				return info, err
			}
		}
	}
}

// parseTensorName reads a TensorProto as far as its name.
func parseTensorName(m *message) (string, error) {
	name := ""
	for {
		f, ok, err := m.next()
		if err != nil || !ok {
			return name, err
		}
		if f.number == 8 && f.wire == 2 {
			data, err := m.bytes(f.size)
			if err != nil {
				return "", err
			}
			name = string(data)
			continue
		}
		if err := m.skip(f.size); err != nil {
			return "", err
		}
	}
}

// each calls do for every field of a message held in memory.
func each(data []byte, do func(f field, content []byte) error) error {
	for len(data) > 0 {
		tag, n := binary.Uvarint(data)
		if n <= 0 {
			return errEncoding
		}
		data = data[n:]
		f := field{number: int(tag >> 3 & (1<<29 - 1)), wire: int(tag & 7)}
		var content []byte
		switch f.wire {
		case 0:
			if f.value, n = binary.Uvarint(data); n <= 0 {
				return errEncoding
			}
			data = data[n:]
		case 1, 5:
			n = map[int]int{1: 8, 5: 4}[f.wire]
			if len(data) < n {
				return errCut
			}
			data = data[n:]
		case 2:
			size, n := binary.Uvarint(data)
			if n <= 0 || size > uint64(len(data)-n) {
				return errCut
			}
			content = data[n : n+int(size)]
			data = data[n+int(size):]
		default:
			return errEncoding
		}
		if err := do(f, content); err != nil {
			return err
		}
	}
	return nil
}

// parsePort reads a ValueInfoProto.
func parsePort(data []byte) (diffusion.Port, error) {
	var p diffusion.Port
	err := each(data, func(f field, content []byte) error {
		switch {
		case f.number == 1 && f.wire == 2:
			p.Name = string(content)
		case f.number == 2 && f.wire == 2: // type
			return each(content, func(f field, content []byte) error {
				if f.number == 1 && f.wire == 2 { // tensor_type
					return parseTensorType(content, &p)
				}
				return nil
			})
		}
		return nil
	})
	return p, err
}

func parseTensorType(data []byte, p *diffusion.Port) error {
	return each(data, func(f field, content []byte) error {
		switch {
		case f.number == 1 && f.wire == 0:
			switch f.value { // TensorProto.DataType
			case 1:
				p.Type = diffusion.Float32
			case 6:
				p.Type = diffusion.Int32
			case 7:
				p.Type = diffusion.Int64
			case 10:
				p.Type = diffusion.Float16
			}
		case f.number == 2 && f.wire == 2: // shape
			return each(content, func(f field, content []byte) error {
				if f.number != 1 || f.wire != 2 {
					return nil
				}
				if len(p.Dims) == maxAxes {
					return errEncoding
				}
				dim, symbol := int64(-1), ""
				err := each(content, func(f field, content []byte) error {
					switch {
					case f.number == 1 && f.wire == 0 && f.value > 0 && f.value < 1<<31:
						dim = int64(f.value)
					case f.number == 2 && f.wire == 2:
						symbol = string(content)
					}
					return nil
				})
				p.Dims, p.Symbols = append(p.Dims, dim), append(p.Symbols, symbol)
				return err
			})
		}
		return nil
	})
}
