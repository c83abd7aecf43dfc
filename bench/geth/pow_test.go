// The anchor of row B3: what an attempt at a proof of work costs go-ethereum 1.9.7, which hashes all of the envelope for
// each nonce. With go-ethereum's source in $GOPATH/src, from this folder; the fastest sample counts:
//
//	GO111MODULE=off go test -run XXX -bench . -benchtime 1ms -count 200 -cpu 1 pow_test.go
package pow

import (
	"encoding/binary"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

var sink int

// One attempt behind n bytes: the hash of all, and its leading zeros as the original counts them.
func attempts(b *testing.B, n int) {
	bytes := make([]byte, n+8)
	number := new(big.Int)
	for i := 0; i < b.N; i++ {
		binary.BigEndian.PutUint64(bytes[n:], uint64(i))
		sink += 256 - number.SetBytes(crypto.Keccak256(bytes)).BitLen()
	}
}

func BenchmarkAttempt400B(b *testing.B)  { attempts(b, 420) }
func BenchmarkAttempt64KiB(b *testing.B) { attempts(b, 65536+22) }
