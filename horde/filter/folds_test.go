// SPDX-License-Identifier: AGPL-3.0-or-later

package filter_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

var update = flag.Bool("update", false, "write data/folds.txt anew")

// lookalikes are letters that are no compatibility forms of ASCII but are read as if they were. Where a letter looks
// like nothing in ASCII but has a usual transliteration, that is taken, so that a word spelt in one script folds whole.
const lookalikes = `
a а α ɑ ᴀ ạ ａ Α А Ꭺ ꓮ Λ @
A Α А Ꭺ ꓮ Λ
b б β ь Ь Ƅ ƅ ʙ ᖯ ɓ ƀ Б
B В Β Ᏼ ꓐ Ɓ
c с ϲ ᴄ ƈ ȼ ⅽ
C С Ϲ Ꮯ ꓚ Ƈ Ȼ
d ԁ ɗ đ ð ᴅ ꓒ д
D Ꭰ ꓓ Đ Ɖ Ɗ Ð Д
e е є э ε ҽ ɛ ᴇ ǝ ə ɘ Э Є Ǝ Ə ɇ
E Е Ε Ꭼ ꓰ Σ Ɛ Ɇ
f ƒ ф ғ ꜰ ϝ
F Ꞙ ꓝ Ƒ Ϝ Ф Ғ
g ɡ ց г ɢ ǥ ɠ
G Ԍ Ꮐ ꓖ Г Γ Ǥ Ɠ
h һ հ ħ ʜ ɦ х҆
H Н Η Ꮋ ꓧ Ħ Һ
i і ι ı ɩ ɪ и ӏ Ꭵ ɨ
I І Ι Ӏ ꓲ И Ɨ ǀ
j ј ϳ ɉ ʝ й ᴊ
J Ј Ꭻ ꓙ Ɉ Й
k к κ ƙ ᴋ ĸ қ
K К Κ Ꮶ ꓗ Ƙ Қ
l ł ƚ ɭ ʟ л λ ɫ ⅼ
L Ꮮ ꓡ Ł Ƚ Л
m м ᴍ ɱ ⅿ
M М Μ Ꮇ ꓟ Ϻ
n ո ռ п ɴ η ν̃ ŋ ɲ ƞ п
N Ν ꓠ П Ŋ Ɲ
o о ο σ օ ø ᴏ ɔ ө ө ⲟ Ꮎ ჿ 〇
O О Ο Օ ꓳ Ø Ω Ɵ Ө ϴ
p р ρ ƿ ᴘ ƥ ⲣ þ
P Р Ρ Ꮲ ꓑ Ƥ Þ Π
q ԛ գ ɋ ʠ
Q Ԛ Ɋ
r г ɍ ʀ ɾ ɼ ɹ я
R Ꭱ ꓣ Ʀ Ɍ Я
s ѕ ʂ ꜱ ς ƨ
S Ѕ Տ Ꮪ ꓢ Ƨ
t т τ ŧ ᴛ ƭ ț ț
T Т Τ Ꭲ ꓔ Ŧ Ƭ Ʈ
u υ ս ᴜ ʋ ц ʉ μ
U Ս ꓴ Ʉ Ц
v ѵ ν ᴠ ⅴ ʌ
V Ѵ Ꮩ ꓦ Ʌ
w ԝ ѡ ш ω ᴡ щ ɯ
W Ԝ Ꮃ ꓪ Ш Щ
x х χ ⅹ
X Х Χ ꓫ Ҳ
y у γ ү ʏ ɏ ƴ ч ы
Y Υ Ү ꓬ Ɏ У Ƴ Ы
z ᴢ ƶ ʐ ȥ з ζ
Z Ζ Ꮓ ꓜ Ƶ З
ae æ ӕ ᴁ
AE Æ Ӕ
oe œ ɶ
OE Œ
ss ß ẞ
th θ
zh ж
Zh Ж
ch ҷ
yu ю
Yu Ю
ps ψ
Ps Ψ
`

// standsFor folds one rune by its compatibility form, its base letters and the list above.
func standsFor(r rune, alike map[rune]string) string {
	if r < 0x80 {
		return ""
	}
	if d, ok := digit(r); ok {
		return string('0' + d)
	}
	switch { // letters in frames and flags have no compatibility form
	case r >= 0x1f150 && r < 0x1f150+26:
		return string('A' + r - 0x1f150)
	case r >= 0x1f170 && r < 0x1f170+26:
		return string('A' + r - 0x1f170)
	case r >= 0x1f1e6 && r < 0x1f1e6+26:
		return string('A' + r - 0x1f1e6)
	}
	var out strings.Builder
	for _, part := range norm.NFKD.String(string(r)) {
		switch {
		case unicode.In(part, unicode.Mn, unicode.Me):
		case alike[part] != "":
			out.WriteString(alike[part])
		default:
			out.WriteRune(part)
		}
	}
	notWord := func(r rune) bool { return r >= 0x80 || !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	text := strings.TrimFunc(strings.TrimFunc(out.String(), func(r rune) bool { return r < 0x80 && notWord(r) }), unicode.IsSpace)
	if len(text) > 4 || strings.ContainsFunc(text, notWord) {
		return ""
	}
	return text
}

// digit is the value of a decimal digit of any script; their blocks of ten begin with zero.
func digit(r rune) (rune, bool) {
	if !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	for _, block := range unicode.Nd.R16 {
		if rune(block.Lo) <= r && r <= rune(block.Hi) {
			return (r - rune(block.Lo)) % 10, true
		}
	}
	for _, block := range unicode.Nd.R32 {
		if rune(block.Lo) <= r && r <= rune(block.Hi) {
			return (r - rune(block.Lo)) % 10, true
		}
	}
	return 0, false
}

func TestTheTableOfFoldsIsMadeFromUnicode(t *testing.T) {
	t.Parallel()
	alike := make(map[rune]string)
	lines := bufio.NewScanner(strings.NewReader(lookalikes))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		for _, f := range fields[min(1, len(fields)):] {
			runes := []rune(f)
			if _, known := alike[runes[0]]; len(runes) == 1 && runes[0] >= 0x80 && !known {
				alike[runes[0]] = fields[0]
			}
		}
	}
	var want bytes.Buffer
	for r := rune(0x80); r <= 0xfffff; r++ {
		if text := standsFor(r, alike); text != "" {
			fmt.Fprintf(&want, "%05X%-4s\n", r, text)
		}
	}
	if *update {
		if err := os.WriteFile("data/folds.txt", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("data/folds.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("data/folds.txt has %d bytes and is not what the tables of Unicode give (%d); run with -update", len(got), want.Len())
	}
}
