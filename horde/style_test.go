// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

func (w *world) trusted(name string) horde.UserID {
	w.t.Helper()
	id := w.user(name, kudos.Whole(100))
	do(w, horde.SetUser{User: id, Grant: horde.RoleTrusted})
	return id
}

func draft(name string) horde.StyleDraft {
	return horde.StyleDraft{Kind: horde.StyleImage, Name: name, Prompt: "{p}, oil on canvas###{np}, blurry", Models: []string{"mini"}, Public: true}
}

func textDraft(name string) horde.StyleDraft {
	return horde.StyleDraft{Kind: horde.StyleText, Name: name, Prompt: "Once upon a time {p}", Models: []string{"llm"}, Public: true}
}

// restart rebuilds the horde from its rows.
func (w *world) restart() {
	w.t.Helper()
	w.s = restored(w.t, w, horde.Settings{AnonymousAllowed: true, TransfersAllowed: true})
}

func restored(t *testing.T, w *world, settings horde.Settings) *horde.State {
	t.Helper()
	s, err := horde.NewState(settings, w.rows.snapshot())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhoMayMakeStyles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain, customizer, deleted := w.user("plain", 0), w.user("customizer", 0), w.trusted("deleted")
	do(w, horde.SetUser{User: customizer, Grant: horde.RoleCustomizer})
	do(w, horde.SetUser{User: deleted, Grant: horde.RoleDeleted})
	for who, want := range map[horde.UserID]horde.Code{
		plain: horde.CodeStylesRequiresCustomizer, horde.Anonymous: horde.CodeStylesRequiresCustomizer,
		customizer: "", w.trusted("trusted"): "", deleted: horde.CodeDeletedUser, 99: horde.CodeInvalidAPIKey,
	} {
		if _, err := try(w, horde.CreateStyle{By: who, StyleDraft: draft("oil")}); codeOf(err) != want {
			t.Errorf("account %d: %v, want code %q", who, err, want)
		}
	}
}

func TestStylesThatBreakARuleAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	by := w.trusted("maker")
	do(w, horde.CreateStyle{By: by, StyleDraft: draft("taken")})
	many := func(n int, what string) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf("%s %d", what, i)
		}
		return out
	}
	image := func(p horde.ImageStyle) func(*horde.StyleDraft) {
		return func(d *horde.StyleDraft) { d.Image = &p }
	}
	text := func(p horde.TextSettings) func(*horde.StyleDraft) {
		return func(d *horde.StyleDraft) { *d = textDraft("story"); d.Text = &p }
	}
	for what, c := range map[string]struct {
		change func(*horde.StyleDraft)
		want   horde.Code
	}{
		"everything fits":                      {func(*horde.StyleDraft) {}, ""},
		"the default prompt":                   {func(d *horde.StyleDraft) { d.Prompt = "" }, ""},
		"no name":                              {func(d *horde.StyleDraft) { d.Name = " \n" }, horde.CodeBadRequest},
		"a long name":                          {func(d *horde.StyleDraft) { d.Name = strings.Repeat("é", 101) }, horde.CodeBadRequest},
		"a name of another of one's styles":    {func(d *horde.StyleDraft) { d.Name = " taken " }, horde.CodeBadRequest},
		"a NUL in the name":                    {func(d *horde.StyleDraft) { d.Name = "a\x00" }, horde.CodeNulByte},
		"a NUL in the description":             {func(d *horde.StyleDraft) { d.Info = "a\x00" }, horde.CodeNulByte},
		"a long description":                   {func(d *horde.StyleDraft) { d.Info = strings.Repeat("a", 1001) }, horde.CodeBadRequest},
		"no model":                             {func(d *horde.StyleDraft) { d.Models = nil }, horde.CodeBadRequest},
		"an empty model":                       {func(d *horde.StyleDraft) { d.Models = []string{" "} }, horde.CodeBadRequest},
		"six models":                           {func(d *horde.StyleDraft) { d.Models = many(6, "m") }, horde.CodeBadRequest},
		"a post-processor as model":            {func(d *horde.StyleDraft) { d.Models = []string{"GFPGAN"} }, horde.CodeUnexpectedModelName},
		"eleven tags":                          {func(d *horde.StyleDraft) { d.Tags = many(11, "t") }, horde.CodeBadRequest},
		"a long tag":                           {func(d *horde.StyleDraft) { d.Tags = []string{strings.Repeat("a", 26)} }, horde.CodeBadRequest},
		"no place for the prompt":              {func(d *horde.StyleDraft) { d.Prompt = "{np} nothing" }, horde.CodeBadRequest},
		"no place for the negative prompt":     {func(d *horde.StyleDraft) { d.Prompt = "{p} nothing" }, horde.CodeBadRequest},
		"a prompt of 8,000 words":              {func(d *horde.StyleDraft) { d.Prompt = "{p}{np}" + strings.Repeat(" a", 8000) }, horde.CodeInvalidPromptSize},
		"an unknown shared key":                {func(d *horde.StyleDraft) { d.SharedKey = "00000000-0000-4000-8000-000000000000" }, horde.CodeBadRequest},
		"a style for neither":                  {func(d *horde.StyleDraft) { d.Kind = "sound" }, horde.CodeBadRequest},
		"six LoRAs":                            {image(horde.ImageStyle{Loras: make([]horde.Lora, 6)}), horde.CodeTooManyLoras},
		"a LoRA version that is no number":     {image(horde.ImageStyle{Loras: []horde.Lora{{Name: "x", IsVersion: true}}}), horde.CodeBadLoraVersion},
		"21 textual inversions":                {image(horde.ImageStyle{TIs: make([]horde.TI, 21)}), horde.CodeTooManyTIs},
		"two upscalers":                        {image(horde.ImageStyle{Post: []string{"NMKD_Siax", "4x_AnimeSharp"}}), horde.CodeTooManyUpscalers},
		"three decimals":                       {image(horde.ImageStyle{CFG: new(7.125)}), horde.CodeBadCFGDecimals},
		"an odd size":                          {image(horde.ImageStyle{Width: 65}), horde.CodeInvalidSize},
		"a text style":                         {func(d *horde.StyleDraft) { *d = textDraft("story") }, ""},
		"a text style with parameters":         {text(horde.TextSettings{SamplerOrder: []int{6, 0, 1, 3, 4, 2, 5}, StopSequence: []string{"\n"}}), ""},
		"a text style without the placeholder": {func(d *horde.StyleDraft) { *d = textDraft("story"); d.Prompt = "once" }, horde.CodeBadRequest},
		"a short sampler order":                {text(horde.TextSettings{SamplerOrder: []int{1, 2, 3, 4, 5, 6, 6}}), "MissingFullSamplerOrder"},
		"129 stop sequences":                   {text(horde.TextSettings{StopSequence: many(129, "s")}), "TooManyStopSequences"},
		"long stop sequences":                  {text(horde.TextSettings{StopSequence: []string{strings.Repeat("a", 2001)}}), "ExcessiveStopSequence"},
		"a long text prompt": {func(d *horde.StyleDraft) {
			*d = textDraft("story")
			d.Prompt = "{p}" + strings.Repeat("a", horde.MaxPromptBytes)
		}, horde.CodeInvalidPromptSize},
	} {
		d := draft("oil")
		c.change(&d)
		st, err := try(w, horde.CreateStyle{By: by, StyleDraft: d})
		if codeOf(err) != c.want {
			t.Errorf("%s: %v, want code %q", what, err, c.want)
		}
		if err == nil {
			do(w, horde.DeleteStyle{By: by, ID: st.ID, Kind: st.Kind})
		}
	}
}

func TestTextsOfStylesAreCleaned(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"  plain  ":                       "plain",
		"<b>bold</b> & <I>slanted</I>":    "<b>bold</b> &amp; <i>slanted</i>",
		"<script>alert(1)</script>":       "&lt;script&gt;alert(1)&lt;/script&gt;",
		`<b onclick="x">a</b>`:            `&lt;b onclick="x"&gt;a&lt;/b&gt;`,
		"<b>never closed":                 "&lt;b&gt;never closed",
		"<b><i>crossed</b></i>":           "&lt;b&gt;<i>crossed&lt;/b&gt;</i>",
		"a</b>":                           "a&lt;/b&gt;",
		"1 < 2 > 0 &amp; &#39; &nonsense": "1 &lt; 2 &gt; 0 &amp; &#39; &amp;nonsense",
		"back\u202ewards\x00\x07\ttab":    "backwards tab",
		"two\nlines":                      "two\nlines",
		"":                                "",
	} {
		got := horde.SafeText(in)
		if got != want {
			t.Errorf("SafeText(%q) = %q, want %q", in, got, want)
		}
		if again := horde.SafeText(got); again != got {
			t.Errorf("cleaned twice, %q becomes %q", got, again)
		}
	}
	w := newWorld(t)
	d := draft(" oil\n<script> ")
	d.Info, d.Tags = "<b>fat</b> <img>", []string{"a", " a ", "<x>", "  "}
	st := do(w, horde.CreateStyle{By: w.trusted("maker"), StyleDraft: d})
	if diff := cmp.Diff([]any{"oil &lt;script&gt;", "<b>fat</b> &lt;img&gt;", []string{"a", "&lt;x&gt;"}}, []any{st.Name, st.Info, st.Tags}); diff != "" {
		t.Error(diff)
	}
	if v, ok := w.s.StyleNamed(" oil  <script>", horde.StyleImage); !ok || v.ID != st.ID {
		t.Error("the name as it was typed does not find the style")
	}
}

func TestStylesAreFoundByAllFormsOfTheirNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.trusted("ann"), w.trusted("bob")
	alias := func(id horde.UserID) string { u, _ := w.s.User(id); return u.Alias() }
	private := draft("oil")
	private.Public = false
	anns := do(w, horde.CreateStyle{By: ann, StyleDraft: private})
	w.pass(time.Second)
	bobs := do(w, horde.CreateStyle{By: bob, StyleDraft: draft("oil")})
	story := do(w, horde.CreateStyle{By: ann, StyleDraft: textDraft("story")})
	odd := do(w, horde.CreateStyle{By: ann, StyleDraft: draft("a::b")})
	both := do(w, horde.CreateCollection{By: bob, Name: "both", Styles: []string{anns.ID.String(), "oil"}})

	for name, want := range map[string]horde.StyleID{
		"oil": bobs.ID, "style::oil": bobs.ID, alias(ann) + "::oil": anns.ID, "style::" + alias(ann) + "::oil": anns.ID,
		alias(ann) + "::style::oil": anns.ID, "whoever#" + fmt.Sprint(ann) + "::oil": anns.ID, anns.ID.String(): anns.ID,
		strings.ToUpper(anns.ID.String()): anns.ID, "a::b": odd.ID, "style::a::b": odd.ID,
	} {
		got, err := try(w, horde.ChooseStyle{Name: name, Kind: horde.StyleImage})
		if err != nil || got.ID != want || !got.Collection.IsZero() {
			t.Errorf("%s finds %s, %v, want %s", name, got.ID, err, want)
		}
	}
	for name, want := range map[string]horde.Code{
		"oils": horde.CodeStyleNotFound, "collection::oil": horde.CodeStyleNotFound, "style::both": horde.CodeStyleNotFound,
		alias(w.owner) + "::oil": horde.CodeStyleNotFound, "": horde.CodeStyleNotFound, story.ID.String(): horde.CodeBadRequest,
		"story": horde.CodeBadRequest, "00000000-0000-4000-8000-000000000000": horde.CodeStyleNotFound,
	} {
		if _, err := try(w, horde.ChooseStyle{Name: name, Kind: horde.StyleImage}); codeOf(err) != want {
			t.Errorf("%q: %v, want code %q", name, err, want)
		}
	}
	if _, err := try(w, horde.ChooseStyle{Name: "both", Kind: horde.StyleText}); codeOf(err) != horde.CodeBadRequest {
		t.Errorf("a collection for images with a text request: %v", err)
	}
	drawn := make(map[horde.StyleID]int)
	for i := range 40 {
		name := []string{"both", "collection::both", alias(bob) + "::collection::both", both.ID.String()}[i%4]
		got := do(w, horde.ChooseStyle{Name: name, Kind: horde.StyleImage})
		if got.Collection != both.ID {
			t.Fatalf("%s was drawn from %s, want %s", name, got.Collection, both.ID)
		}
		drawn[got.ID]++
	}
	if len(drawn) != 2 || drawn[anns.ID] < 5 || drawn[bobs.ID] < 5 {
		t.Errorf("of two styles were drawn %v", drawn)
	}
}

func TestAStyleOfTheWantedKindComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	image := do(w, horde.CreateStyle{By: w.trusted("ann"), StyleDraft: draft("twin")})
	text := do(w, horde.CreateStyle{By: w.trusted("bob"), StyleDraft: textDraft("twin")})
	for kind, want := range map[horde.StyleKind]horde.StyleID{horde.StyleImage: image.ID, horde.StyleText: text.ID} {
		if got := do(w, horde.ChooseStyle{Name: "twin", Kind: kind}); got.ID != want {
			t.Errorf("the %s style is %s, want %s", kind, got.ID, want)
		}
	}
}

func TestPromptsGoWhereTheStyleWantsThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind                   horde.StyleKind
		template, prompt, want string
	}{
		{horde.StyleImage, "{p}, oil###{np}, blurry", "a cat", "a cat, oil###, blurry"},
		{horde.StyleImage, "{p}, oil###{np}, blurry", "a cat###dogs", "a cat, oil###dogs, blurry"},
		{horde.StyleImage, "{p}{np}", "a cat", "a cat"},
		{horde.StyleImage, "{p}{np}", "a cat###dogs", "a cat###dogs"},
		{horde.StyleImage, "{p}, oil{np}", "a cat ### ", "a cat , oil"},
		{horde.StyleImage, "{p}, {brace} ###{np}", "a cat", "a cat, {brace}"},
		{horde.StyleImage, "{p} and {p}{np}", "{np}", "{np} and {np}"},
		{horde.StyleText, "{p}{np}", "### Instruction: tell", "### Instruction: tell"},
		{horde.StyleText, "Tale of {p}: ", "{np}", "Tale of {np}: "},
	} {
		st := horde.Style{Kind: c.kind, Prompt: c.template}
		if got := st.Fill(c.prompt); got != c.want {
			t.Errorf("%q in %q is %q, want %q", c.prompt, c.template, got, c.want)
		}
	}
}

func TestAStyleReplacesWhatItSetsAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := draft("oil")
	d.Models = []string{"other", "mini"}
	d.Image = &horde.ImageStyle{
		Sampler: "k_lms", CFG: new(0.0), Steps: 12, Karras: new(false), Width: 256, ClipSkip: 2, Post: []string{"GFPGAN"},
		Loras: []horde.Lora{{Name: "x", Model: 1, Clip: 1}}, Tiling: new(true), HiresFix: new(true), FaceFixer: new(0.5),
	}
	made := do(w, horde.CreateStyle{By: w.trusted("maker"), StyleDraft: d})
	choice := do(w, horde.ChooseStyle{Name: "oil", Kind: horde.StyleImage})
	n := apple(w.owner)
	n.N, n.Image.Height = 3, 640
	horde.ApplyImageStyle(&choice, &n)
	want := apple(w.owner)
	want.N, want.Models = 3, []string{"other", "mini"}
	want.Image = horde.Image{
		Prompt: "red apple, oil on canvas###, blurry", Sampler: "k_lms", CFG: 0, Width: 256, Height: 640, Steps: 12, ClipSkip: 2,
		Post: []string{"GFPGAN"}, Loras: []horde.Lora{{Name: "x", Model: 1, Clip: 1}}, Tiling: true, HiresFix: true, FaceFixer: 0.5,
		Style: &horde.AppliedStyle{Style: made.ID, Owner: made.Owner},
	}
	if diff := cmp.Diff(want, n, cmp.Comparer(func(a, b origin.Origin) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// styled makes a request in a style.
func (w *world) styled(by horde.UserID, name string) horde.NewImage {
	w.t.Helper()
	choice := do(w, horde.ChooseStyle{Name: name, Kind: horde.StyleImage})
	n := apple(by)
	horde.ApplyImageStyle(&choice, &n)
	return n
}

func TestTheMakerOfAStyleIsThankedOncePerRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maker, asker := w.trusted("maker"), w.user("asker", kudos.Whole(500))
	st := do(w, horde.CreateStyle{By: maker, StyleDraft: draft("oil")})
	col := do(w, horde.CreateCollection{By: asker, Name: "all", Styles: []string{"oil"}})
	uses := func() [2]int64 {
		v, _ := w.s.Style(st.ID)
		c, _ := w.s.Collection(col.ID)
		return [2]int64{v.Uses, c.Uses}
	}
	before := w.balance(maker)

	dry := w.styled(asker, "oil")
	dry.DryRun = true
	do(w, horde.Enqueue{NewImage: dry})
	bad := w.styled(asker, "oil")
	bad.N = 21
	if _, err := try(w, horde.Enqueue{NewImage: bad}); codeOf(err) != horde.CodeBadRequest {
		t.Fatalf("21 images: %v", err)
	}
	if uses() != [2]int64{} || w.balance(maker) != before {
		t.Errorf("a dry run and a refused request count as %v uses and earn %s", uses(), w.balance(maker)-before)
	}

	n := w.styled(asker, "all")
	n.N = 2
	n.Key = "the same"
	got := do(w, horde.Enqueue{NewImage: n})
	do(w, horde.Enqueue{NewImage: n}) // the same request again
	if uses() != [2]int64{1, 1} {
		t.Errorf("uses are %v, want 1 of the style and 1 of the collection", uses())
	}
	if w.balance(maker) != before {
		t.Errorf("the maker has %s more before anything is delivered", w.balance(maker)-before)
	}
	for range 2 {
		job := w.pop("gpu")
		if job.Request != got.ID {
			t.Fatalf("popped %+v, want a job of %s", job, got.ID)
		}
		w.deliver(job)
		if thanks := w.balance(maker) - before; thanks != kudos.StyleFee {
			t.Errorf("the maker was thanked with %s, want %s", thanks, kudos.StyleFee)
		}
	}
	u, _ := w.s.User(maker)
	if u.Details.Styled != kudos.StyleFee || u.Image.Styled != 1 {
		t.Errorf("the account says %s for %d styled requests, want %s for 1", u.Details.Styled, u.Image.Styled, kudos.StyleFee)
	}

	// Nobody is thanked for an own style, and nobody who is gone.
	own := do(w, horde.Enqueue{NewImage: w.styled(maker, "oil")})
	job := w.pop("gpu")
	before = w.balance(maker)
	if job.Request != own.ID {
		t.Fatalf("popped %+v", job)
	}
	w.deliver(job)
	if u, _ := w.s.User(maker); u.Details.Styled != kudos.StyleFee || w.balance(maker) > before {
		t.Errorf("the maker was thanked for the use of an own style: %s", u.Details.Styled)
	}
	if uses() != [2]int64{2, 1} {
		t.Errorf("uses are %v, want an own use to count", uses())
	}
	do(w, horde.Enqueue{NewImage: w.styled(horde.Anonymous, "oil")})
	job = w.pop("gpu")
	do(w, horde.SetUser{User: maker, Grant: horde.RoleDeleted})
	w.deliver(job)
	if u, _ := w.s.User(maker); u.Details.Styled != kudos.StyleFee {
		t.Errorf("a deleted account was thanked: %s", u.Details.Styled)
	}
}

func TestAStyleMayGoWhileItsRequestWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maker := w.trusted("maker")
	st := do(w, horde.CreateStyle{By: maker, StyleDraft: draft("oil")})
	col := do(w, horde.CreateCollection{By: maker, Name: "all", Styles: []string{"oil"}})
	n := w.styled(horde.Anonymous, "all")
	do(w, horde.DeleteStyle{By: maker, ID: st.ID, Kind: horde.StyleImage})
	if v, ok := w.s.Collection(col.ID); !ok || len(v.Styles) != 0 {
		t.Errorf("the collection holds %v", v.Styles)
	}
	if _, err := try(w, horde.ChooseStyle{Name: "all", Kind: horde.StyleImage}); codeOf(err) != horde.CodeStyleNotFound {
		t.Errorf("an empty collection: %v", err)
	}
	do(w, horde.Enqueue{NewImage: n})
	w.deliver(w.pop("gpu"))
	if u, _ := w.s.User(maker); u.Details.Styled != kudos.StyleFee {
		t.Errorf("the maker was thanked with %s, want %s", u.Details.Styled, kudos.StyleFee)
	}
}

func TestWhoMayChangeAndDeleteStyles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maker, stranger, mod := w.trusted("maker"), w.trusted("stranger"), w.user("moderator", 0)
	do(w, horde.SetUser{User: mod, Grant: horde.RoleModerator})
	st := do(w, horde.CreateStyle{By: maker, StyleDraft: draft("oil")})
	do(w, horde.CreateStyle{By: maker, StyleDraft: draft("other")})
	nowhere := horde.StyleID{UUID: horde.UUID{1}}
	for what, c := range map[string]struct {
		op   horde.ChangeStyle
		want horde.Code
	}{
		"a stranger":               {horde.ChangeStyle{By: stranger, ID: st.ID}, horde.CodeForbidden},
		"a moderator":              {horde.ChangeStyle{By: mod, ID: st.ID}, horde.CodeForbidden},
		"nobody":                   {horde.ChangeStyle{By: 99, ID: st.ID}, horde.CodeInvalidAPIKey},
		"an unknown style":         {horde.ChangeStyle{By: maker, ID: nowhere}, horde.CodeStyleNotFound},
		"the other kind":           {horde.ChangeStyle{By: maker, ID: st.ID, Kind: horde.StyleText}, horde.CodeBadRequest},
		"a taken name":             {horde.ChangeStyle{By: maker, ID: st.ID, Name: new("other")}, horde.CodeBadRequest},
		"no placeholder":           {horde.ChangeStyle{By: maker, ID: st.ID, Prompt: new("nothing")}, horde.CodeBadRequest},
		"no models":                {horde.ChangeStyle{By: maker, ID: st.ID, Models: []string{}}, horde.CodeBadRequest},
		"parameters that are none": {horde.ChangeStyle{By: maker, ID: st.ID, Image: &horde.ImageStyle{Steps: 501}}, horde.CodeBadRequest},
	} {
		if c.op.Kind == "" {
			c.op.Kind = horde.StyleImage
		}
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("%s changes: %v, want code %q", what, err, c.want)
		}
	}
	if v, _ := w.s.Style(st.ID); v.Name != "oil" || v.Prompt != st.Prompt {
		t.Errorf("refused changes changed the style: %+v", v)
	}
	same := do(w, horde.ChangeStyle{By: maker, ID: st.ID, Kind: horde.StyleImage})
	if diff := cmp.Diff(st, same); diff != "" {
		t.Errorf("nothing was sent, and changed: %s", diff)
	}
	changed := do(w, horde.ChangeStyle{
		By: maker, ID: st.ID, Kind: horde.StyleImage, Name: new("water"), Tags: []string{"wet"}, Public: new(false), NSFW: new(true),
		Image: &horde.ImageStyle{Steps: 9}, Models: []string{"a", "b"}, Info: new("drops"), Prompt: new("{np}{p}"),
	})
	if changed.Name != "water" || changed.Public || !changed.NSFW || changed.Image.Steps != 9 || changed.Info != "drops" || len(changed.Models) != 2 {
		t.Errorf("changed to %+v", changed)
	}
	if _, ok := w.s.StyleNamed("oil", horde.StyleImage); ok {
		t.Error("the old name still finds the style")
	}
	if v, ok := w.s.StyleNamed("water", horde.StyleImage); !ok || v.ID != st.ID {
		t.Error("the new name does not find the style")
	}
	if got := do(w, horde.ChangeStyle{By: maker, ID: st.ID, Kind: horde.StyleImage, Tags: []string{}}); len(got.Tags) != 0 {
		t.Errorf("the tags %v stayed", got.Tags)
	}

	for what, c := range map[string]struct {
		op   horde.DeleteStyle
		want horde.Code
	}{
		"everybody":        {horde.DeleteStyle{By: horde.Anonymous, ID: nowhere}, horde.CodeStylesAnonForbidden},
		"a stranger":       {horde.DeleteStyle{By: stranger, ID: st.ID}, horde.CodeForbidden},
		"an unknown style": {horde.DeleteStyle{By: maker, ID: nowhere}, horde.CodeStyleNotFound},
		"the other kind":   {horde.DeleteStyle{By: maker, ID: st.ID, Kind: horde.StyleText}, horde.CodeBadRequest},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("%s deletes: %v, want code %q", what, err, c.want)
		}
	}
	do(w, horde.DeleteStyle{By: mod, ID: st.ID, Kind: horde.StyleImage})
	if _, ok := w.s.Style(st.ID); ok || len(w.s.StylesOf(maker)) != 1 {
		t.Error("the style is still there")
	}
	do(w, horde.CreateStyle{By: maker, StyleDraft: draft("water")}) // the name is free again
}

func TestExamplesKeepOnePrimary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maker, stranger, mod := w.trusted("maker"), w.trusted("stranger"), w.user("moderator", 0)
	do(w, horde.SetUser{User: mod, Grant: horde.RoleModerator})
	st := do(w, horde.CreateStyle{By: maker, StyleDraft: draft("oil")})
	text := do(w, horde.CreateStyle{By: maker, StyleDraft: textDraft("story")})
	link := func(n int) string { return fmt.Sprintf("https://pictures.example/%d.webp", n) }
	primary := func() string {
		v, _ := w.s.Style(st.ID)
		var out []string
		for _, e := range v.Examples {
			if e.Primary {
				out = append(out, e.URL)
			}
		}
		return strings.Join(out, " ")
	}
	for what, c := range map[string]struct {
		op   horde.AddExample
		want horde.Code
	}{
		"a stranger":       {horde.AddExample{By: stranger, Style: st.ID, URL: link(0)}, horde.CodeForbidden},
		"plain http":       {horde.AddExample{By: maker, Style: st.ID, URL: "http://pictures.example/1.webp"}, horde.CodeBadRequest},
		"no host":          {horde.AddExample{By: maker, Style: st.ID, URL: "https:///1.webp"}, horde.CodeBadRequest},
		"a quote":          {horde.AddExample{By: maker, Style: st.ID, URL: `https://pictures.example/"onload=`}, horde.CodeBadRequest},
		"a password":       {horde.AddExample{By: maker, Style: st.ID, URL: "https://a:b@pictures.example/"}, horde.CodeBadRequest},
		"a long address":   {horde.AddExample{By: maker, Style: st.ID, URL: link(0) + strings.Repeat("a", 2048)}, horde.CodeBadRequest},
		"a text style":     {horde.AddExample{By: maker, Style: text.ID, URL: link(0)}, horde.CodeBadRequest},
		"an unknown style": {horde.AddExample{By: maker, URL: link(0)}, horde.CodeStyleNotFound},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("%s: %v, want code %q", what, err, c.want)
		}
	}

	var ids []horde.ExampleID
	for n := range 4 {
		ids = append(ids, do(w, horde.AddExample{By: []horde.UserID{maker, mod}[n%2], Style: st.ID, URL: link(n), Primary: n == 2}).ID)
		if want := link([]int{0, 0, 2, 2}[n]); primary() != want {
			t.Errorf("after %d the primary example is %q, want %q", n, primary(), want)
		}
	}
	if _, err := try(w, horde.AddExample{By: maker, Style: st.ID, URL: link(5)}); codeOf(err) != horde.CodeManyExamples {
		t.Errorf("a fifth example: %v", err)
	}
	if _, err := try(w, horde.AddExample{By: maker, Style: st.ID, URL: link(3)}); codeOf(err) != horde.CodeBadRequest {
		t.Errorf("an address that is there: %v", err)
	}
	for what, c := range map[string]struct {
		op   horde.ChangeExample
		want horde.Code
	}{
		"a stranger":            {horde.ChangeExample{By: stranger, Example: ids[0]}, horde.CodeForbidden},
		"another's address":     {horde.ChangeExample{By: maker, Example: ids[0], URL: new(link(1))}, horde.CodeBadRequest},
		"plain http":            {horde.ChangeExample{By: maker, Example: ids[0], URL: new("http://x.example")}, horde.CodeBadRequest},
		"the last primary":      {horde.ChangeExample{By: maker, Example: ids[2], Primary: new(false)}, horde.CodeBadRequest},
		"an unknown example":    {horde.ChangeExample{By: maker}, horde.CodeStyleExampleNotFound},
		"nothing":               {horde.ChangeExample{By: maker, Example: ids[0]}, ""},
		"the own address again": {horde.ChangeExample{By: mod, Example: ids[0], URL: new(link(0))}, ""},
	} {
		c.op.Style = st.ID
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("change by %s: %v, want code %q", what, err, c.want)
		}
	}
	do(w, horde.ChangeExample{By: maker, Style: st.ID, Example: ids[3], URL: new(link(9)), Primary: new(true)})
	if primary() != link(9) {
		t.Errorf("the primary example is %q, want %q", primary(), link(9))
	}
	do(w, horde.DeleteExample{By: maker, Style: st.ID, Example: ids[3]})
	if primary() != link(0) {
		t.Errorf("with the primary example gone it is %q, want %q", primary(), link(0))
	}
	if _, err := try(w, horde.DeleteExample{By: maker, Style: st.ID, Example: ids[3]}); codeOf(err) != horde.CodeStyleExampleNotFound {
		t.Errorf("deleted twice: %v", err)
	}
	for _, id := range ids[:3] {
		do(w, horde.DeleteExample{By: mod, Style: st.ID, Example: id})
	}
	if v, _ := w.s.Style(st.ID); len(v.Examples) != 0 {
		t.Errorf("%d examples stayed", len(v.Examples))
	}
}

func TestListsOfStyles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maker := w.trusted("maker")
	for n := range 27 {
		d := draft(fmt.Sprintf("style %02d", n))
		d.Tags, d.Models = []string{fmt.Sprintf("tag %d", n%2)}, []string{"mini", fmt.Sprintf("model %d", n%3)}
		do(w, horde.CreateStyle{By: maker, StyleDraft: d})
		w.pass(time.Second)
	}
	hidden := draft("hidden")
	hidden.Public = false
	do(w, horde.CreateStyle{By: maker, StyleDraft: hidden})
	do(w, horde.CreateStyle{By: maker, StyleDraft: textDraft("story")})
	do(w, horde.Enqueue{NewImage: w.styled(horde.Anonymous, "style 13")})

	names := func(q horde.StyleQuery) []string {
		var out []string
		for _, v := range w.s.Styles(q) {
			out = append(out, strings.TrimPrefix(v.Name, "style "))
		}
		return out
	}
	for what, c := range map[string]struct {
		q     horde.StyleQuery
		count int
		first string
	}{
		"the most used first":   {horde.StyleQuery{Kind: horde.StyleImage}, 25, "13"},
		"the oldest first":      {horde.StyleQuery{Kind: horde.StyleImage, Sort: horde.SortAge}, 25, "00"},
		"the second page":       {horde.StyleQuery{Kind: horde.StyleImage, Sort: horde.SortAge, Page: 2}, 2, "25"},
		"a page that is not":    {horde.StyleQuery{Kind: horde.StyleImage, Page: 1 << 60}, 0, ""},
		"page 0 counts as 1":    {horde.StyleQuery{Kind: horde.StyleImage, Page: 0}, 25, "13"},
		"a tag":                 {horde.StyleQuery{Kind: horde.StyleImage, Tag: "tag 0", Sort: horde.SortAge}, 14, "00"},
		"a model":               {horde.StyleQuery{Kind: horde.StyleImage, Model: "model 2"}, 9, "02"},
		"a tag that nobody has": {horde.StyleQuery{Kind: horde.StyleImage, Tag: "tag"}, 0, ""},
		"text styles":           {horde.StyleQuery{Kind: horde.StyleText}, 1, "story"},
	} {
		got := names(c.q)
		if len(got) != c.count || c.count > 0 && got[0] != c.first {
			t.Errorf("%s: %d, %v; want %d from %s", what, len(got), got, c.count, c.first)
		}
	}
	if got := w.s.StylesOf(maker); len(got) != 29 || got[27].Name != "hidden" || got[27].FullName() != got[27].Creator+"::style::hidden" {
		t.Errorf("the maker has %d styles", len(got))
	}
	if len(w.s.StylesOf(w.owner)) != 0 {
		t.Error("somebody without styles has some")
	}
}

func TestCollections(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maker, gatherer, mod, deleted := w.trusted("maker"), w.user("gatherer", 0), w.user("moderator", 0), w.user("deleted", 0)
	do(w, horde.SetUser{User: mod, Grant: horde.RoleModerator})
	do(w, horde.SetUser{User: deleted, Grant: horde.RoleDeleted})
	oil := do(w, horde.CreateStyle{By: maker, StyleDraft: draft("oil")})
	ink := do(w, horde.CreateStyle{By: maker, StyleDraft: draft("ink")})
	do(w, horde.CreateStyle{By: maker, StyleDraft: textDraft("story")})
	made := do(w, horde.CreateCollection{By: gatherer, Name: " <b>paint</b> ", Info: "all <x>", Public: true, Styles: []string{"oil", ink.ID.String(), "style::oil"}})
	if diff := cmp.Diff([]any{"<b>paint</b>", "all &lt;x&gt;", horde.StyleImage, []horde.StyleID{oil.ID, ink.ID}}, []any{made.Name, made.Info, made.Kind, made.Styles}); diff != "" {
		t.Error(diff)
	}
	lots := slices.Repeat([]string{"oil"}, 101)
	for what, c := range map[string]struct {
		op   horde.CreateCollection
		want horde.Code
	}{
		"everybody":         {horde.CreateCollection{By: horde.Anonymous, Name: "x", Styles: []string{"oil"}}, horde.CodeStylesAnonForbidden},
		"a deleted account": {horde.CreateCollection{By: deleted, Name: "x", Styles: []string{"oil"}}, horde.CodeDeletedUser},
		"nobody":            {horde.CreateCollection{By: 99, Name: "x", Styles: []string{"oil"}}, horde.CodeInvalidAPIKey},
		"no style":          {horde.CreateCollection{By: gatherer, Name: "x"}, horde.CodeBadRequest},
		"too many styles":   {horde.CreateCollection{By: gatherer, Name: "x", Styles: lots}, horde.CodeBadRequest},
		"an unknown style":  {horde.CreateCollection{By: gatherer, Name: "x", Styles: []string{"oil", "what"}}, horde.CodeBadRequest},
		"mixed kinds":       {horde.CreateCollection{By: gatherer, Name: "x", Styles: []string{"oil", "story"}}, horde.CodeBadRequest},
		"a taken name":      {horde.CreateCollection{By: gatherer, Name: "<b>paint</b>", Styles: []string{"oil"}}, horde.CodeBadRequest},
		"no name":           {horde.CreateCollection{By: gatherer, Styles: []string{"oil"}}, horde.CodeBadRequest},
		"a long name":       {horde.CreateCollection{By: gatherer, Name: strings.Repeat("a", 101), Styles: []string{"oil"}}, horde.CodeBadRequest},
		"a long info":       {horde.CreateCollection{By: gatherer, Name: "x", Info: strings.Repeat("a", 1001), Styles: []string{"oil"}}, horde.CodeBadRequest},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("%s: %v, want code %q", what, err, c.want)
		}
	}
	do(w, horde.CreateCollection{By: maker, Name: "<b>paint</b>", Styles: []string{"oil"}}) // somebody else's name

	for what, c := range map[string]struct {
		op   horde.ChangeCollection
		want horde.Code
	}{
		"a stranger":            {horde.ChangeCollection{By: maker, ID: made.ID}, horde.CodeForbidden},
		"a moderator":           {horde.ChangeCollection{By: mod, ID: made.ID}, horde.CodeForbidden},
		"an unknown collection": {horde.ChangeCollection{By: gatherer}, horde.CodeCollectionNotFound},
		"no styles":             {horde.ChangeCollection{By: gatherer, ID: made.ID, Styles: []string{}}, horde.CodeBadRequest},
		"mixed kinds":           {horde.ChangeCollection{By: gatherer, ID: made.ID, Styles: []string{"story", "oil"}}, horde.CodeBadRequest},
		"no name":               {horde.ChangeCollection{By: gatherer, ID: made.ID, Name: new("")}, horde.CodeBadRequest},
		"nothing":               {horde.ChangeCollection{By: gatherer, ID: made.ID}, ""},
		"what is to change":     {horde.ChangeCollection{By: gatherer, ID: made.ID, Name: new("tales"), Public: new(false), Styles: []string{"story"}}, ""},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("change by %s: %v, want code %q", what, err, c.want)
		}
	}
	v, ok := w.s.CollectionNamed("tales")
	if !ok || v.Kind != horde.StyleText || v.Public || len(v.Names) != 1 || !strings.HasSuffix(v.Names[0], "::style::story") || v.Info != made.Info {
		t.Errorf("after the change: %+v", v)
	}
	for kind, want := range map[horde.StyleKind]int{"": 0, horde.StyleImage: 0, horde.StyleText: 0} {
		if got := w.s.Collections(horde.CollectionQuery{Kind: kind}); len(got) != want {
			t.Errorf("%d public collections of kind %q, want %d", len(got), kind, want)
		}
	}
	do(w, horde.ChangeCollection{By: gatherer, ID: made.ID, Public: new(true)})
	if got := w.s.Collections(horde.CollectionQuery{Kind: horde.StyleText, Sort: horde.SortAge}); len(got) != 1 || got[0].ID != made.ID {
		t.Errorf("listed %+v", got)
	}
	if _, err := try(w, horde.DeleteCollection{By: maker, ID: made.ID}); codeOf(err) != horde.CodeForbidden {
		t.Errorf("deleted by a stranger: %v", err)
	}
	do(w, horde.DeleteCollection{By: mod, ID: made.ID})
	if _, err := try(w, horde.DeleteCollection{By: gatherer, ID: made.ID}); codeOf(err) != horde.CodeCollectionNotFound {
		t.Errorf("deleted twice: %v", err)
	}
	if _, ok := w.s.CollectionNamed("tales"); ok {
		t.Error("the collection is still found")
	}
}

func TestProfaneNamesAndDescriptionsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maker := w.trusted("maker")
	w.s = restored(t, w, horde.Settings{AnonymousAllowed: true, TransfersAllowed: true, Profane: func(text string) bool { return strings.Contains(text, "heck") }})
	for what, d := range map[string]horde.StyleDraft{
		"the name": draft("what the heck"), "the description": func() horde.StyleDraft { d := draft("oil"); d.Info = "heck of a style"; return d }(),
	} {
		if _, err := try(w, horde.CreateStyle{By: maker, StyleDraft: d}); codeOf(err) != horde.CodeBadRequest {
			t.Errorf("%s: %v", what, err)
		}
	}
	do(w, horde.CreateStyle{By: maker, StyleDraft: draft("oil")})
	if _, err := try(w, horde.CreateCollection{By: maker, Name: "heck", Styles: []string{"oil"}}); codeOf(err) != horde.CodeBadRequest {
		t.Errorf("a collection: %v", err)
	}
}

func TestAnAccountHasABoundedNumberOfStylesAndCollections(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maker := w.trusted("maker")
	for n := range horde.MaxStylesPerUser {
		do(w, horde.CreateStyle{By: maker, StyleDraft: draft(fmt.Sprint(n))})
	}
	if _, err := try(w, horde.CreateStyle{By: maker, StyleDraft: draft("more")}); codeOf(err) != horde.CodeManyStyles {
		t.Errorf("one style too many: %v", err)
	}
	for n := range horde.MaxCollections {
		do(w, horde.CreateCollection{By: maker, Name: fmt.Sprint(n), Styles: []string{"0"}})
	}
	if _, err := try(w, horde.CreateCollection{By: maker, Name: "more", Styles: []string{"0"}}); codeOf(err) != horde.CodeManyCollections {
		t.Errorf("one collection too many: %v", err)
	}
}

// TestStylesOutliveARestart rebuilds the horde from the rows that were written.
func TestStylesOutliveARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maker := w.trusted("maker")
	d := draft("oil")
	d.Image = &horde.ImageStyle{CFG: new(7.5), Width: 256, Karras: new(false)}
	st := do(w, horde.CreateStyle{By: maker, StyleDraft: d})
	gone := do(w, horde.CreateStyle{By: maker, StyleDraft: draft("gone")})
	do(w, horde.AddExample{By: maker, Style: st.ID, URL: "https://pictures.example/1.webp"})
	col := do(w, horde.CreateCollection{By: maker, Name: "all", Public: true, Styles: []string{"oil", "gone"}})
	do(w, horde.DeleteStyle{By: maker, ID: gone.ID, Kind: horde.StyleImage})
	got := do(w, horde.Enqueue{NewImage: w.styled(horde.Anonymous, "all")})
	before, _ := w.s.Style(st.ID)
	wasCol, _ := w.s.Collection(col.ID)

	w.restart()
	after, ok := w.s.Style(st.ID)
	if diff := cmp.Diff(before, after); !ok || diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
	nowCol, ok := w.s.CollectionNamed("all")
	if diff := cmp.Diff(wasCol, nowCol); !ok || diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
	if job := w.pop("gpu"); job.Request != got.ID {
		t.Errorf("popped %+v", job)
	} else {
		w.deliver(job)
	}
	if u, _ := w.s.User(maker); u.Details.Styled != kudos.StyleFee {
		t.Errorf("after a restart the maker was thanked with %s, want %s", u.Details.Styled, kudos.StyleFee)
	}
	if text, err := json.Marshal(after.Style); err != nil || !strings.Contains(string(text), st.ID.String()) {
		t.Errorf("the document holds no readable identifiers: %s, %v", text, err)
	}

	broken := &horde.Snapshot{Records: []horde.Record{{Kind: horde.KindCollection, ID: col.ID.String(), Value: []byte(`{"styles": ["` + gone.ID.String() + `"]}`)}}}
	if _, err := horde.NewState(horde.Settings{}, broken); err == nil {
		t.Error("a collection of unknown styles was loaded")
	}
}
