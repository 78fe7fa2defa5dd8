package blob_test

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"

	"stablemate/internal/blob"
)

// BenchmarkPut stores images of 20 kB, about what a 512 px WebP takes.
func BenchmarkPut(b *testing.B) {
	data := bytes.Repeat([]byte{7}, 20_000)
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d writers a core", writers), func(b *testing.B) {
			s, err := blob.NewStore(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			var n atomic.Int64
			b.SetParallelism(writers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.PutBytes(b.Context(), fmt.Sprintf("image-%d.webp", n.Add(1)), data); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
