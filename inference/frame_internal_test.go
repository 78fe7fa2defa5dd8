// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFramesArriveAsTheyWere(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := &frameWriter{w: &b}
	sent := []message{
		{Kind: kindStart, Version: 1, Device: &Device{Provider: "cuda", Index: 2, Threads: 3, Library: "/lib/x"}},
		{Kind: kindGenerate, Call: 1 << 60, Path: "/m", Params: &Params{Prompt: "a \"red\" 🍎###no\n", Width: 64, Height: 128, CFG: 7.25}, Seeds: []uint32{0, 1<<32 - 1}},
		{Kind: kindImage, Call: 7, Image: 3, Timing: &Timing{Text: 1, UNet: 2, VAE: 3, Encode: 4, Total: 5, UNetRuns: 6}},
	}
	bodies := [][]byte{nil, nil, bytes.Repeat([]byte{0, 255}, 1000)}
	for i := range sent {
		if err := w.write(sent[i], bodies[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range sent {
		m, body, err := readFrame(&b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(sent[i], m); d != "" || !bytes.Equal(body, bodies[i]) {
			t.Errorf("frame %d: %s, body of %d bytes, want %d", i, d, len(body), len(bodies[i]))
		}
	}
	if _, _, err := readFrame(&b); !errors.Is(err, io.EOF) {
		t.Errorf("after the last frame: %v, want io.EOF", err)
	}
}

// frame puts a frame together by hand.
func frame(header, body uint32, rest string) string {
	var lengths [frameStart]byte
	binary.BigEndian.PutUint32(lengths[:4], header)
	binary.BigEndian.PutUint32(lengths[4:], body)
	return string(lengths[:]) + rest
}

func TestWhatIsNoFrameIsRefused(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"cut off in its lengths":     "abc",
		"no header":                  frame(0, 0, ""),
		"a header beyond its bound":  frame(maxHeader+1, 0, strings.Repeat(" ", 100)),
		"a body beyond its bound":    frame(2, maxBody+1, "{}"),
		"cut off in its header":      frame(10, 0, "{}"),
		"cut off in its body":        frame(2, maxBody, "{}short"),
		"a header that is no JSON":   frame(2, 0, "xy"),
		"a header of another shape":  frame(2, 0, "[]"),
		"words of another programme": "usage: something else entirely",
	} {
		if _, _, err := readFrame(strings.NewReader(in)); !errors.Is(err, errFrame) {
			t.Errorf("%s: %v, want %v", name, err, errFrame)
		}
	}
	w := &frameWriter{w: io.Discard}
	if err := w.write(message{Kind: kindCheck}, make([]byte, maxBody+1)); !errors.Is(err, errFrame) {
		t.Errorf("write of a body beyond its bound = %v, want %v", err, errFrame)
	}
}

func FuzzReadFrame(f *testing.F) {
	var b bytes.Buffer
	if err := (&frameWriter{w: &b}).write(message{Kind: kindImage, Call: 1}, []byte("body")); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(frame(2, 3, "{}abc")))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, body, err := readFrame(bytes.NewReader(in))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := (&frameWriter{w: &out}).write(m, body); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, bodyAgain, err := readFrame(&out)
		if err != nil || !cmp.Equal(m, again) || !bytes.Equal(body, bodyAgain) {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
	})
}

// plain is a model that draws nothing in particular.
type plain struct{}

func (plain) Generate(_ context.Context, p Params, progress func(step, total int)) (*image.RGBA, Timing, error) {
	progress(1, 1)
	return image.NewRGBA(image.Rect(0, 0, min(p.Width, 8), min(p.Height, 8))), Timing{}, nil
}
func (plain) Provider() string { return "cpu" }
func (plain) Close()           {}
func (plain) Classify(context.Context, []float32) ([]float32, error) {
	return []float32{0, 0, 1, 0, 0}, nil
}

func plainOpeners() Openers {
	return Openers{
		Model:      func(context.Context, string, Device) (Model, error) { return plain{}, nil },
		Classifier: func(context.Context, string, Device) (Classifier, error) { return plain{}, nil },
	}
}

// converse runs a runner on what a supervisor says and returns its answers.
func converse(t *testing.T, in []byte) ([]message, error) {
	t.Helper()
	var out bytes.Buffer
	err := RunRunner(t.Context(), bytes.NewReader(in), &out, plainOpeners(), time.Now)
	var answers []message
	for {
		m, _, readErr := readFrame(&out)
		if errors.Is(readErr, io.EOF) {
			return answers, err
		}
		if readErr != nil {
			t.Fatalf("the runner wrote what is no frame: %v", readErr)
		}
		answers = append(answers, m)
	}
}

func TestRunnerRefusesAnotherProtocol(t *testing.T) {
	t.Parallel()
	start := func(m message) []byte {
		var b bytes.Buffer
		if err := (&frameWriter{w: &b}).write(m, nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	good := start(message{Kind: kindStart, Version: Protocol, Device: &Device{}})
	for name, c := range map[string]struct {
		in   []byte
		fine bool
	}{
		"another version":             {start(message{Kind: kindStart, Version: Protocol + 1, Device: &Device{}}), false},
		"no start":                    {start(message{Kind: kindLoad, Version: Protocol, Device: &Device{}}), false},
		"no device":                   {start(message{Kind: kindStart, Version: Protocol}), false},
		"a question it does not know": {append(slices.Clip(good), start(message{Kind: "sing"})...), false},
		"nothing after the start":     {good, true},
		"nothing at all":              {nil, true},
	} {
		answers, err := converse(t, c.in)
		if (err == nil) != c.fine {
			t.Errorf("%s: RunRunner = %v, fine %v", name, err, c.fine)
		}
		if len(c.in) > 0 && (len(answers) != 1 || answers[0].Kind != kindHello || answers[0].Version != Protocol) {
			t.Errorf("%s: it answered %+v, want its version", name, answers)
		}
	}
}

func TestSupervisorRefusesAnotherProtocol(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hello message
		want  string
	}{
		"a newer runner": {message{Kind: kindHello, Version: Protocol + 1}, "start it anew"},
		"a singer":       {message{Kind: "song"}, "does not say"},
	} {
		c.hello.Call = 0
		var b bytes.Buffer
		if err := (&frameWriter{w: &b}).write(c.hello, nil); err != nil {
			t.Fatal(err)
		}
		k := &child{opts: &SupervisorOptions{HelloLimit: time.Minute, Now: time.Now}, hello: make(chan message, 1), done: make(chan struct{}), out: &frameWriter{w: io.Discard}}
		err := k.listen(&b)
		if errors.Is(err, io.EOF) {
			err = k.greet()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzRunner(f *testing.F) {
	var b bytes.Buffer
	w := &frameWriter{w: &b}
	for _, m := range []message{
		{Kind: kindStart, Version: Protocol, Device: &Device{Provider: "cpu"}},
		{Kind: kindLoad, Call: 1, Path: "m"},
		{Kind: kindLoad, Call: 2, Path: "c", Classifier: true},
		{Kind: kindGenerate, Call: 3, Path: "m", Params: &Params{Width: 8, Height: 8, Steps: 1}, Seeds: []uint32{1, 2}},
		{Kind: kindCheck, Call: 4, Path: "c"},
		{Kind: kindCancel, Call: 3},
		{Kind: kindUnload, Call: 5, Path: "m"},
		{Kind: kindGenerate, Call: 6, Path: "c"},
		{Kind: kindGenerate, Call: 6, Path: "m"},
	} {
		if err := w.write(m, nil); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 1<<12 {
			return
		}
		_, _ = converse(t, in) // no crash, no hang, and only frames come out
	})
}

func TestScores(t *testing.T) {
	t.Parallel()
	nan := float32(0)
	nan /= nan
	for name, c := range map[string]struct {
		in     []float32
		fine   bool
		unsafe bool
	}{
		"a drawing":                       {[]float32{0.9, 0.05, 0.05, 0, 0}, true, false},
		"a neutral picture":               {[]float32{0, 0, 1, 0, 0}, true, false},
		"explicit":                        {[]float32{0, 0, 0.1, 0.9, 0}, true, true},
		"explicit in two ways":            {[]float32{0.4, 0.3, 0, 0.3, 0}, true, true},
		"a little of everything":          {[]float32{0.2, 0.2, 0.2, 0.2, 0.2}, true, false},
		"suggestive":                      {[]float32{0, 0, 0.2, 0, 0.8}, true, true},
		"half suggestive":                 {[]float32{0, 0, 0.5, 0, 0.5}, true, false},
		"too few":                         {[]float32{1}, false, false},
		"none":                            {nil, false, false},
		"not a number":                    {[]float32{nan, 0, 1, 0, 0}, false, false},
		"all nothing":                     {[]float32{0, 0, 0, 0, 0}, false, false},
		"more than one":                   {[]float32{0, 0, 1, 1, 0}, false, false},
		"negative, as no probability is":  {[]float32{-1, 0, 2, 0, 0}, false, false},
		"one more class than it can have": {[]float32{0, 0, 1, 0, 0, 0}, false, false},
	} {
		s, err := readScores(c.in)
		if (err == nil) != c.fine || c.fine && s.Unsafe() != c.unsafe {
			t.Errorf("%s: %v, %v, unsafe %v; want fine %v, unsafe %v", name, s, err, s.Unsafe(), c.fine, c.unsafe)
		}
	}
}

func TestPicturesKeepTheirColours(t *testing.T) {
	t.Parallel()
	for name, c := range map[string][3]uint8{
		"black": {0, 0, 0}, "white": {255, 255, 255}, "red": {255, 0, 0}, "green": {0, 255, 0}, "blue": {0, 0, 255}, "orange": {240, 140, 20},
	} {
		img := image.NewRGBA(image.Rect(0, 0, 48, 32))
		for i := 0; i < len(img.Pix); i += 4 {
			img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3] = c[0], c[1], c[2], 255
		}
		data, err := encodeWebP(img)
		if err != nil {
			t.Fatal(err)
		}
		pixels, err := classifierInput(data)
		if err != nil || len(pixels) != 3*ClassifierSide*ClassifierSide {
			t.Fatalf("%s: %d numbers, %v", name, len(pixels), err)
		}
		for i := range 3 {
			if d := pixels[3*5000+i]*255 - float32(c[i]); d < -4 || d > 4 {
				t.Errorf("%s: channel %d is %v, want %d", name, i, pixels[3*5000+i]*255, c[i])
			}
		}
	}
	if img, err := decodeWebP(heldBack); err != nil || img.Rect.Dx() != 512 {
		t.Errorf("the picture for what is held back: %v", err)
	}
}

func TestChildrenGetNoSecrets(t *testing.T) {
	t.Parallel()
	got := childEnvironment([]string{
		"PATH=/bin", "STABLEMATE_SECRET=s", "STABLEMATE_DISCORD_TOKEN=t", "STABLEMATE_POSTGRES_URL=u", "STABLEMATE_ONNXRUNTIME=/lib", "STABLEMATE_CACHE=/c", "MYSECRET=mine",
	})
	if d := cmp.Diff([]string{"PATH=/bin", "STABLEMATE_ONNXRUNTIME=/lib", "STABLEMATE_CACHE=/c", "MYSECRET=mine"}, got); d != "" {
		t.Error(d)
	}
}
