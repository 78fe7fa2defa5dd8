package sandbox_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/internal/sandbox"
)

// TestComplete types half lines into the command box.
func TestComplete(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sandbox.Options{})
	painter(t, s)
	for _, c := range []struct {
		line string
		want []string // labels
		pick bool
		into string // the line after the first suggestion
	}{
		{"", nil, false, ""},
		{"hello", nil, false, ""},
		{"/", []string{"/generate", "/kudos balance", "/kudos gift", "/help", "/silent", "/form"}, true, "/generate prompt: "},
		{"/gen", []string{"/generate"}, true, "/generate prompt: "},
		{"/generate", []string{"/generate"}, true, "/generate prompt: "},
		{"/help", []string{"/help"}, false, "/help "},
		{"/gift", []string{"/kudos gift"}, true, "/kudos gift user: "},
		{"/nothing", nil, true, ""},
		{"/generate ", []string{"prompt:", "model:", "size:", "steps:"}, false, "/generate prompt: "},
		{"/generate si", []string{"size:"}, false, "/generate size: "},
		{"/generate prompt: ", nil, false, ""},
		{"/generate prompt: mo", nil, false, ""},
		{"/generate prompt: red ", []string{"model:", "size:", "steps:"}, false, "/generate prompt: red model: "},
		{"/generate prompt: red s", []string{"size:", "steps:"}, false, "/generate prompt: red size: "},
		{"/generate prompt: red size: ", []string{"Square", "Wide"}, true, "/generate prompt: red size: Square "},
		{"/generate prompt: red size: wi", []string{"Wide"}, true, "/generate prompt: red size: Wide "},
		{"/generate prompt: red size: Wide", []string{"Wide"}, false, "/generate prompt: red size: Wide "},
		{"/generate prompt: red model: 1.5", []string{"Stable Diffusion 1.5"}, false, "/generate prompt: red model: Stable Diffusion 1.5 "},
		{"/kudos gift user: fr", []string{"@Friend"}, true, "/kudos gift user: @Friend "},
	} {
		got, err := s.Complete(within(t), sandbox.Newcomer, sandbox.ChannelID, c.line)
		if err != nil {
			t.Errorf("%q: %v", c.line, err)
			continue
		}
		var labels []string
		for _, g := range got.Suggestions {
			labels = append(labels, g.Label)
		}
		if diff := cmp.Diff(c.want, labels); diff != "" {
			t.Errorf("%q suggests (-want +got):\n%s", c.line, diff)
		}
		if got.Pick != c.pick {
			t.Errorf("%q: Enter picks: %t, want %t", c.line, got.Pick, c.pick)
		}
		if len(got.Suggestions) > 0 && got.Suggestions[0].Insert != c.into {
			t.Errorf("%q becomes %q, want %q", c.line, got.Suggestions[0].Insert, c.into)
		}
	}
}

// TestLineErrors types lines that cannot be sent.
func TestLineErrors(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sandbox.Options{})
	if _, err := s.RunLine(within(t), sandbox.Newcomer, sandbox.ChannelID, "/generate prompt: x", nil); err == nil || !strings.Contains(err.Error(), "offline") {
		t.Errorf("without a bot: %v", err)
	}
	painter(t, s)
	for line, want := range map[string]string{
		"/nothing":                                       "no command /nothing",
		"/kudos":                                         "no command /kudos",
		"/generate":                                      "prompt is required",
		"/generate prompt:":                              "prompt is required",
		"/generate prompt: x steps: many":                "steps must be a number",
		"/generate prompt: x steps: 0":                   "steps: must be 1 or more",
		"/generate prompt: x steps: 51":                  "steps: must be 50 or less",
		"/generate prompt: x steps: 1.5":                 "steps: must be a whole number",
		"/generate prompt: x size: huge":                 "size: is none of the choices",
		"/kudos gift user: Nobody amount: 1":             "user is nobody here",
		"/kudos gift user: Friend":                       "amount is required",
		"/help me":                                       "which option",
		"/generate prompt: " + strings.Repeat("x", 6001): "too long",
	} {
		if _, err := s.RunLine(within(t), sandbox.Newcomer, sandbox.ChannelID, line, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", line, err, want)
		}
	}
	if _, err := s.RunLine(within(t), sandbox.Newcomer, sandbox.DMChannel(sandbox.Friend), "/help", nil); err == nil {
		t.Error("somebody else's direct messages are open")
	}
	if _, err := s.RunLine(within(t), "1", sandbox.ChannelID, "/help", nil); err == nil {
		t.Error("nobody ran a command")
	}
	// Without the option's name the text goes where it must mean.
	if _, err := s.RunLine(within(t), sandbox.Newcomer, sandbox.ChannelID, "/generate red apple", nil); err != nil {
		t.Error(err)
	}
	if _, err := s.WaitMessage(within(t), sandbox.Newcomer, func(m sandbox.Message) bool { return strings.HasPrefix(m.Content, "**red apple**") }); err != nil {
		t.Error(err)
	}
}
