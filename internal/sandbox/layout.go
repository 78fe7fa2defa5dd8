package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Components of layouts ("Components V2").
const (
	flagLayout = 1 << 15

	componentSection   = 9
	componentText      = 10
	componentThumbnail = 11
	componentGallery   = 12
	componentFile      = 13
	componentSeparator = 14
	componentContainer = 17
)

// checkLayout checks the body of a message with a layout. blank says that the message has neither content nor embeds after
// the change.
func checkLayout(list []obj, blank bool) string {
	if !blank {
		return "content, embeds: cannot be used together with a layout (IS_COMPONENTS_V2)"
	}
	if len(list) == 0 {
		return "components: a layout needs at least one"
	}
	components, text := 0, 0
	walkComponents(list, func(c obj) {
		components++
		if num(c["type"]) == componentText {
			text += utf8.RuneCountInString(str(c["content"]))
		}
	})
	switch {
	case components > 40:
		return fmt.Sprintf("components: must be 40 or fewer in all, have %d", components)
	case text > 4000:
		return fmt.Sprintf("components: texts must have 4000 or fewer characters in all, have %d", text)
	}
	seen := map[string]bool{}
	for i, c := range list {
		if text := checkBlock(c, seen, false); text != "" {
			return fmt.Sprintf("components[%d]: %s", i, text)
		}
	}
	return ""
}

func checkBlock(c obj, seen map[string]bool, inside bool) string {
	inner := objects(c["components"])
	switch kind := num(c["type"]); kind {
	case componentRow:
		if len(inner) == 0 || len(inner) > 5 {
			return fmt.Sprintf("a row must have 1 to 5 components, has %d", len(inner))
		}
		for _, b := range inner {
			if text := checkComponent(b, len(inner), seen); text != "" {
				return text
			}
		}
	case componentText:
		if str(c["content"]) == "" {
			return "a text display is empty"
		}
	case componentSection:
		return checkSection(c, inner, seen)
	case componentGallery:
		items := objects(c["items"])
		if len(items) == 0 || len(items) > 10 {
			return fmt.Sprintf("a gallery must have 1 to 10 items, has %d", len(items))
		}
		for _, item := range items {
			if text := checkMedia(item, false); text != "" {
				return text
			}
		}
	case componentFile:
		file, _ := c["file"].(obj)
		return checkMedia(obj{"media": file}, true)
	case componentSeparator:
		if n := num(c["spacing"]); n < 0 || n > 2 {
			return "spacing must be 1 or 2"
		}
	case componentContainer:
		if inside || len(inner) == 0 {
			return "a container holds components, and no other container"
		}
		for _, b := range inner {
			if text := checkBlock(b, seen, true); text != "" {
				return text
			}
		}
	default:
		return fmt.Sprintf("type %d cannot stand here", kind)
	}
	return ""
}

func checkSection(c obj, inner []obj, seen map[string]bool) string {
	accessory, _ := c["accessory"].(obj)
	if len(inner) == 0 || len(inner) > 3 || slices.ContainsFunc(inner, func(o obj) bool {
		return num(o["type"]) != componentText || str(o["content"]) == ""
	}) {
		return "a section has 1 to 3 text displays"
	}
	switch num(accessory["type"]) {
	case componentButton:
		return checkComponent(accessory, 1, seen)
	case componentThumbnail:
		return checkMedia(accessory, false)
	}
	return "a section needs a button or a thumbnail beside it"
}

func checkMedia(c obj, attached bool) string {
	media, _ := c["media"].(obj)
	url := str(media["url"])
	switch {
	case !strings.HasPrefix(url, "attachment://") && (attached || (!strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://"))):
		return "media url must be attachment:// or https://"
	case utf8.RuneCountInString(str(c["description"])) > 1024:
		return "description must be 1024 or fewer in length"
	}
	return ""
}

// resolveLayout replaces attachment://name by the address of the file, and fills in what Discord fills in. s.mu is held.
func (s *Server) resolveLayout(list []obj, files []*file) string {
	problem := ""
	fill := func(c obj, key string, v any) {
		if _, ok := c[key]; !ok {
			c[key] = v
		}
	}
	media := func(m obj) {
		if name, ok := strings.CutPrefix(str(m["url"]), "attachment://"); ok {
			i := slices.IndexFunc(files, func(f *file) bool { return f.Name == name })
			if i < 0 {
				problem = "components: no file named " + name
				return
			}
			m["url"], m["attachment_id"], m["content_type"] = s.apiFile(files[i])["url"], files[i].ID, files[i].ContentType
			if files[i].Width > 0 {
				m["width"], m["height"] = files[i].Width, files[i].Height
			}
		}
		m["proxy_url"] = m["url"]
		fill(m, "id", s.w.snowflake(s.opts.Now()))
	}
	walkComponents(list, func(c obj) {
		switch num(c["type"]) {
		case componentGallery:
			for _, item := range objects(c["items"]) {
				if m, ok := item["media"].(obj); ok {
					media(m)
				}
				fill(item, "description", nil)
				fill(item, "spoiler", false)
			}
		case componentThumbnail:
			if m, ok := c["media"].(obj); ok {
				media(m)
			}
			fill(c, "description", nil)
			fill(c, "spoiler", false)
		case componentFile:
			if m, ok := c["file"].(obj); ok {
				media(m)
			}
			fill(c, "spoiler", false)
		case componentSeparator:
			fill(c, "spacing", 1)
			fill(c, "divider", true)
		case componentContainer:
			fill(c, "accent_color", nil)
			fill(c, "spoiler", false)
		}
	})
	return problem
}

// Picture is an image of a message's layout.
type Picture struct {
	URL, Description string
	Spoiler          bool
}

// viewLayout collects the texts and pictures of a layout.
func viewLayout(list []obj) (texts []string, pictures []Picture) {
	add := func(c obj) {
		m, _ := c["media"].(obj)
		spoiler, _ := c["spoiler"].(bool)
		pictures = append(pictures, Picture{URL: str(m["url"]), Description: str(c["description"]), Spoiler: spoiler})
	}
	walkComponents(list, func(c obj) {
		switch num(c["type"]) {
		case componentText:
			texts = append(texts, str(c["content"]))
		case componentThumbnail:
			add(c)
		case componentGallery:
			for _, item := range objects(c["items"]) {
				add(item)
			}
		}
	})
	return texts, pictures
}
