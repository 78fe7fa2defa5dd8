package diffusion

import (
	"image"
	"image/color"

	"golang.org/x/image/draw"
)

// toPicture turns three planes of -1..1 into an opaque picture.
func toPicture(planes []float32, width, height int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	n := width * height
	red, green, blue := planes[:n], planes[n:2*n], planes[2*n:3*n]
	pix := img.Pix[:4*n]
	for i := range n {
		p := pix[4*i : 4*i+4 : 4*i+4]
		p[0], p[1], p[2], p[3] = toByte(red[i]), toByte(green[i]), toByte(blue[i]), 255
	}
	return img
}

// toByte rounds; NaN becomes black.
func toByte(v float32) uint8 {
	v = v*127.5 + 128 // 127.5 to scale and move, 0.5 to round
	switch {
	case v >= 255:
		return 255
	case v >= 0:
		return uint8(v)
	}
	return 0
}

// fromPicture writes a picture as three planes of -1..1. Transparent parts count as white.
func fromPicture(img *image.RGBA, planes []float32) {
	size := img.Rect.Size()
	n := size.X * size.Y
	for y := range size.Y {
		row := img.Pix[y*img.Stride : y*img.Stride+4*size.X]
		for x := range size.X {
			p := row[4*x : 4*x+4 : 4*x+4]
			white := 255 - float32(p[3]) // colours are premultiplied
			for c := range 3 {
				planes[c*n+y*size.X+x] = (float32(p[c])+white)/127.5 - 1
			}
		}
	}
}

// Fit brings a picture to a size: it is scaled to the shorter side, centred, and what stays free is
// filled with its border colour. A picture of that size is returned as it is.
func Fit(src *image.RGBA, width, height int) *image.RGBA {
	from := src.Rect.Size()
	if from.X == width && from.Y == height {
		return src
	}
	ratio := min(float64(width)/float64(from.X), float64(height)/float64(from.Y))
	w := min(width, max(1, int(float64(from.X)*ratio+0.5)))
	h := min(height, max(1, int(float64(from.Y)*ratio+0.5)))
	dst := image.NewRGBA(image.Rect(0, 0, width, height))
	place := image.Rect(0, 0, w, h).Add(image.Pt((width-w)/2, (height-h)/2))
	if place != dst.Rect {
		draw.Draw(dst, dst.Rect, image.NewUniform(borderColour(src)), image.Point{}, draw.Src)
	}
	if place.Size() == from {
		draw.Copy(dst, place.Min, src, src.Rect, draw.Src, nil)
	} else {
		draw.CatmullRom.Scale(dst, place, src, src.Rect, draw.Src, nil)
	}
	return dst
}

// cover brings a picture to a size by scaling it to the longer side and cutting off what sticks out:
// the opposite of Fit.
func cover(src *image.RGBA, width, height int) *image.RGBA {
	from := src.Rect.Size()
	if from.X == width && from.Y == height {
		return src
	}
	ratio := max(float64(width)/float64(from.X), float64(height)/float64(from.Y))
	w := min(from.X, max(1, int(float64(width)/ratio+0.5)))
	h := min(from.Y, max(1, int(float64(height)/ratio+0.5)))
	part := image.Rect(0, 0, w, h).Add(src.Rect.Min).Add(image.Pt((from.X-w)/2, (from.Y-h)/2))
	dst := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.CatmullRom.Scale(dst, dst.Rect, src, part, draw.Src, nil)
	return dst
}

// crop cuts the middle out of a picture.
func crop(src *image.RGBA, width, height int) *image.RGBA {
	from := src.Rect.Size()
	if from.X == width && from.Y == height {
		return src
	}
	dst := image.NewRGBA(image.Rect(0, 0, width, height))
	corner := src.Rect.Min.Add(image.Pt((from.X-width)/2, (from.Y-height)/2))
	draw.Draw(dst, dst.Rect, src, corner, draw.Src)
	return dst
}

// borderColour is the mean of the outermost pixels.
func borderColour(img *image.RGBA) color.RGBA {
	size := img.Rect.Size()
	var sum [4]int
	count := 0
	add := func(x, y int) {
		p := img.Pix[y*img.Stride+4*x:]
		for c := range sum {
			sum[c] += int(p[c])
		}
		count++
	}
	for x := range size.X {
		add(x, 0)
		add(x, size.Y-1)
	}
	for y := range size.Y {
		add(0, y)
		add(size.X-1, y)
	}
	mean := func(c int) uint8 { return uint8((sum[c] + count/2) / count) }
	return color.RGBA{mean(0), mean(1), mean(2), mean(3)}
}
