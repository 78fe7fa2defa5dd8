// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"stablemate/internal/blob"
	"stablemate/internal/config"
	"stablemate/ratings"
)

// sharedFolder in the data folder holds the images that people share, and imported ones. Nobody sweeps it.
const sharedFolder = "shared"

// openRatings opens what people rate.
func (a *assembly) openRatings() error {
	folder, err := blob.NewStore(filepath.Join(a.cfg.Server.DataDir, sharedFolder))
	if err != nil {
		return fmt.Errorf("open the folder of images to rate: %w", err)
	}
	a.ratings, err = ratings.New(ratings.Deps{
		Engine: a.engine, Store: a.store, Shelf: folder, Images: a.images, Random: random64, Now: systemClock.Now,
		Log: a.log.With().Str("component", "ratings").Logger(),
	}, ratings.Options{})
	if err != nil {
		return fmt.Errorf("open the ratings: %w", err)
	}
	a.add(1, "ratings", a.ratings.Run)
	return nil
}

func random64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return binary.LittleEndian.Uint64(b[:])
}

// Bounds of an import.
const (
	maxImports    = 1_000_000 // images in one go
	maxImportFile = 8 << 20   // bytes of an image
	maxImportLine = 64 << 10  // bytes of a line in a list
)

// ratingsCommand does "ratings import DIR|FILE", beside a running horde or without one.
func ratingsCommand(ctx context.Context, args []string, out io.Writer) error {
	if len(args) < 2 || args[0] != "import" || strings.HasPrefix(args[1], "-") {
		return errUsage
	}
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("config", "", "")
	dataset := flags.String("dataset", "", "")
	nsfw := flags.Bool("nsfw", false, "")
	if err := flags.Parse(args[2:]); err != nil || flags.NArg() > 0 {
		return errUsage
	}
	cfg, err := config.Load(*path, os.Getenv)
	if err != nil {
		return err
	}
	if *dataset == "" {
		*dataset = datasetName(args[1])
	}
	if !ratings.GoodDataset(*dataset) {
		return fmt.Errorf("%q cannot name a data set: use small letters, digits and dashes, and not %q", *dataset, ratings.Horde)
	}
	st, err := openStore(ctx, cfg, zerolog.Nop())
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	folder, err := blob.NewStore(filepath.Join(cfg.Server.DataDir, sharedFolder))
	if err != nil {
		return fmt.Errorf("open the folder of images to rate: %w", err)
	}
	im := imports{
		to:   ratings.Importer{Store: st, Shelf: folder, Random: random64, Now: systemClock.Now},
		base: ratings.NewImage{Dataset: *dataset, NSFW: *nsfw}, out: out,
	}
	if err := im.all(ctx, args[1]); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "data set %s: %d images added, %d were there already, %d left out\n", *dataset, im.added, im.known, im.refused)
	return nil
}

// datasetName makes a data set's name of a path.
func datasetName(path string) string {
	name := filepath.Base(filepath.Clean(path))
	name = strings.ToLower(strings.TrimSuffix(name, filepath.Ext(name)))
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name), "-")
}

// imports is one import under way.
type imports struct {
	to                    ratings.Importer
	base                  ratings.NewImage
	out                   io.Writer
	added, known, refused int
}

// all imports a folder with everything below it, or what a list names.
func (im *imports) all(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	if !info.IsDir() {
		return im.list(ctx, path)
	}
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !picture(name) {
			return err
		}
		n := im.base
		beside := strings.TrimSuffix(name, filepath.Ext(name)) + ".txt"
		if text, err := readBounded(beside, maxImportLine); err == nil {
			n.Prompt = strings.TrimSpace(string(text))
		}
		return im.add(ctx, name, n)
	})
	if err != nil {
		return fmt.Errorf("import %s: %w", path, err)
	}
	return nil
}

func picture(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".webp", ".png", ".jpg", ".jpeg":
		return true
	}
	return false
}

// listed is a line of a list that says more than a path.
type listed struct {
	File   string          `json:"file"`
	Prompt string          `json:"prompt"`
	Model  string          `json:"model"`
	Seed   int64           `json:"seed"`
	Params json.RawMessage `json:"params"`
	NSFW   bool            `json:"nsfw"`
	// Known is the least and the greatest right rating of an image that checks who rates.
	Known []int `json:"known"`
}

// list imports the files that a list names, a line each: a path, or a JSON object with one in "file". Paths begin at the
// list's folder.
func (im *imports) list(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxImportLine)
	for n := 1; lines.Scan(); n++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		img, name := im.base, string(text)
		if text[0] == '{' {
			var l listed
			if err := json.Unmarshal(text, &l); err != nil {
				return fmt.Errorf("import %s, line %d: %w", path, n, err)
			}
			name, img.Prompt, img.Model, img.Seed, img.Params = l.File, l.Prompt, l.Model, l.Seed, l.Params
			img.NSFW = img.NSFW || l.NSFW
			if len(l.Known) == 2 {
				img.Low, img.High = l.Known[0], l.Known[1]
			} else if len(l.Known) > 0 {
				return fmt.Errorf("import %s, line %d: known is a pair of ratings", path, n)
			}
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		if err := im.add(ctx, name, img); err != nil {
			return fmt.Errorf("import %s, line %d: %w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("import %s: %w", path, err)
	}
	return nil
}

// add imports one file. What is no image is told and left out.
func (im *imports) add(ctx context.Context, name string, n ratings.NewImage) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if im.added+im.known >= maxImports {
		return fmt.Errorf("more than %d images in one go", maxImports)
	}
	data, err := readBounded(name, maxImportFile)
	if err == nil {
		n.Data, n.Ending, err = data, endings()[blob.Sniff(data)], nil
		if n.Ending == "" {
			err = errors.New("it is neither WebP nor PNG nor JPEG")
		}
	}
	if err != nil {
		im.refused++
		_, _ = fmt.Fprintf(im.out, "left out %s: %v\n", name, err)
		return nil
	}
	added, err := im.to.Add(ctx, n)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case added:
		im.added++
	default:
		im.known++
	}
	return nil
}

func endings() map[blob.Format]string {
	return map[blob.Format]string{blob.WebP: ".webp", blob.PNG: ".png", blob.JPEG: ".jpg"}
}

var errTooLong = errors.New("it is too long")

func readBounded(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = errTooLong
	}
	return data, err
}
