// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// plainPixels is what the named sizes are meant for: models made for images of 512×512 pixels.
const plainPixels = 512 * 512

var sizePattern = regexp.MustCompile(`^(\d{1,4})(?: ?[x×X*] ?(\d{1,4}))?$`)

// sizes are the named sizes, with as many pixels as a model was made for. Any model may be the one among those that are
// served which was made for the fewest.
func (s *Set) sizes(model string) []Size {
	pixels := s.pixels(model)
	if pixels == plainPixels {
		return s.opts.Sizes
	}
	out := make([]Size, len(s.opts.Sizes))
	for i, z := range s.opts.Sizes {
		w, h := shape(z.Width, z.Height, z.Width*z.Height*pixels/plainPixels)
		out[i] = Size{Name: z.Name, Width: w, Height: h}
	}
	return out
}

// pixels is what a model was made for.
func (s *Set) pixels(model string) int {
	if model != "" {
		m, _ := s.engine.Model(model)
		return m.Family.Pixels()
	}
	least := 0
	for _, m := range s.engine.Models() {
		if m.Threads > 0 {
			if n := s.pixels(m.Name); least == 0 || n < least {
				least = n
			}
		}
	}
	if least == 0 {
		return plainPixels
	}
	return least
}

// sizeOf reads a size: the name of one of some, a ratio, or width and height. Without a text it is the first of them.
// Whether the sides are allowed is the core's to say.
func sizeOf(sizes []Size, text string) (Size, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return sizes[0], true
	}
	for _, z := range sizes {
		if strings.EqualFold(text, z.Name) || text == sizeChoice(z) {
			return z, true
		}
	}
	if w, h, ok := ratio(text); ok {
		w, h = shape(w, h, sizes[0].Width*sizes[0].Height)
		return Size{Width: w, Height: h}, true
	}
	m := sizePattern.FindStringSubmatch(text)
	if m == nil {
		return Size{}, false
	}
	if m[2] == "" {
		m[2] = m[1]
	}
	w, err1 := strconv.Atoi(m[1])
	h, err2 := strconv.Atoi(m[2])
	return Size{Width: w, Height: h}, err1 == nil && err2 == nil
}

// sizeOption reads the size that was asked for. Without one it is the person's default, and a ratio is of that.
func (s *Set) sizeOption(w words.Words, o discord.OptionValues, d chat.Defaults, model string) (Size, error) {
	text := o.String("size")
	if d.Width > 0 && d.Height > 0 {
		if !o.Has("size") {
			return Size{Width: d.Width, Height: d.Height}, nil
		}
		if w, h, ok := ratio(text); ok {
			w, h = shape(w, h, d.Width*d.Height)
			return Size{Width: w, Height: h}, nil
		}
	}
	size, ok := sizeOf(s.sizes(model), text)
	if !ok {
		return size, horde.Refuse(horde.CodeInvalidSize, "%s", w.T("refused.badsize"))
	}
	return size, nil
}

// ratio reads a shape such as 3:2.
func ratio(text string) (w, h int, ok bool) {
	m := ratioPattern.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return 0, 0, false
	}
	w, _ = strconv.Atoi(m[1])
	h, _ = strconv.Atoi(m[2])
	return w, h, w > 0 && h > 0 && w <= h*ratioLimit && h <= w*ratioLimit
}

// shape is a size of some shape with about so many pixels, in steps of the core.
func shape(w, h, pixels int) (int, int) {
	r := math.Sqrt(float64(w) / float64(h))
	side := math.Sqrt(float64(pixels))
	return snap(int(math.Round(side * r))), snap(int(math.Round(side / r)))
}

// snap is the nearest side that the horde takes.
func snap(side int) int {
	return min(max((side+horde.SideStep/2)/horde.SideStep*horde.SideStep, horde.MinSide), horde.MaxSide)
}

func sizeChoice(z Size) string {
	text := fmt.Sprintf("%d×%d", z.Width, z.Height)
	if z.Name != "" {
		text = z.Name + " · " + text
	}
	return text
}

// suggestSizes suggests what was typed, if that is a size, and some sizes by name.
func suggestSizes(sizes []Size, typed string) []discord.Choice {
	typed = strings.ToLower(strings.TrimSpace(typed))
	var choices []discord.Choice
	add := func(z Size) {
		text := sizeChoice(z)
		for _, c := range choices {
			if c.Name == text {
				return
			}
		}
		choices = append(choices, discord.Choice{Name: text, Value: fmt.Sprintf("%dx%d", z.Width, z.Height)})
	}
	if z, ok := sizeOf(sizes, typed); ok && typed != "" {
		add(Size{Name: z.Name, Width: snap(z.Width), Height: snap(z.Height)})
	}
	for _, z := range sizes {
		if strings.Contains(strings.ToLower(sizeChoice(z)), strings.ReplaceAll(typed, "x", "×")) || strings.Contains(strings.ToLower(z.Name), typed) {
			add(z)
		}
	}
	return choices[:min(len(choices), discord.MaxChoices)]
}
