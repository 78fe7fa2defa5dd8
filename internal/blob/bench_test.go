package blob_test

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"stablemate/internal/blob"
	"stablemate/internal/s3test"
)

// BenchmarkBucketPut is BenchmarkPut into a bucket of a service on this machine.
func BenchmarkBucketPut(b *testing.B) {
	at := s3test.New(b)
	s, err := blob.NewBucket(b.Context(), blob.BucketOptions{
		Endpoint: at.Endpoint, Bucket: at.Name, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey, PathStyle: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	data := bytes.Repeat([]byte{7}, 20_000)
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.PutBytes(b.Context(), fmt.Sprintf("image-%d.webp", n.Add(1)), data); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkLink signs links: every pop and status needs some.
func BenchmarkLink(b *testing.B) {
	at := s3test.New(b)
	bucket, err := blob.NewBucket(b.Context(), blob.BucketOptions{
		Endpoint: at.Endpoint, Bucket: at.Name, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey, PathStyle: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	signer, err := blob.NewSigner([]byte("sixteen bytes or more"), "http://links.invalid", time.Now)
	if err != nil {
		b.Fatal(err)
	}
	for name, links := range map[string]blob.Links{"folder": signer, "bucket": bucket} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := links.Link(blob.OpPut, "0b25cf11-6a5d-4b2c-9d0e-0f1f5f6a7b8c.webp"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

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
