// Package halfclose makes a yamux stream behave as a TCP connection does when its own half is closed: it reads on. A stream of
// hashicorp's library ends its reads, as far as nothing has come yet, with its own Close.
package halfclose

import (
	"io"
	"reflect"
	"time"

	"github.com/hashicorp/yamux"
)

// What the library calls streamRemoteClose and streamClosed: the other side sends nothing more.
const (
	closedByPeer = 5
	closed       = 6
)

// Stream is a stream whose Close closes the half on which it is written.
type Stream struct {
	*yamux.Stream
}

// Read returns io.EOF only after all that the other side has sent before its end.
func (s Stream) Read(buffer []byte) (int, error) {
	for {
		// Looked at before, as data may come while a read ends.
		before := reflect.ValueOf(s.Stream).Elem().FieldByName("state").Int()
		count, err := s.Stream.Read(buffer)
		if err != io.EOF || before == closedByPeer || before == closed {
			return count, err
		}
		// The library wakes nobody then.
		time.Sleep(time.Millisecond)
	}
}
