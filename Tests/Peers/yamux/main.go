// Command yamux is the other side of a yamux session, by hashicorp's library.
//
//	yamux --role client|server --connect IP:PORT [--open N --bytes M] [--go-away]
//
// It dials, and sends back what comes on each stream that the other side opens. With --open it opens N streams at the same time, sends
// M bytes on each, closes its half and reads them back; it prints "ok" when all of them came back, and else the first difference, with
// exit status 1. With --go-away it takes no further streams after that. It exits with status 0 when the session ends.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/hashicorp/yamux"

	"../halfclose"
)

func main() {
	role := flag.String("role", "client", "which side of the session this is: client or server")
	address := flag.String("connect", "", "where to dial")
	count := flag.Int("open", 0, "how many streams to open")
	size := flag.Int("bytes", 1<<20, "how much to send on each")
	leaves := flag.Bool("go-away", false, "take no further streams in the end")
	flag.Parse()
	session, err := dial(*role, *address)
	if err != nil {
		fail(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		echoAll(session)
	}()
	if _, err := session.Ping(); err != nil {
		fail(fmt.Errorf("ping: %w", err))
	}
	if *count > 0 {
		if err := compareAll(session, *count, *size); err != nil {
			fail(err)
		}
		if _, err := session.Ping(); err != nil {
			fail(fmt.Errorf("ping: %w", err))
		}
		fmt.Println("ok")
	}
	if *leaves {
		// Who has been told may have ended the session by now.
		if err := session.GoAway(); err != nil && err != yamux.ErrSessionShutdown {
			fail(err)
		}
	}
	<-ended
}

func fail(err error) {
	fmt.Println(err)
	os.Exit(1)
}

func dial(role, address string) (*yamux.Session, error) {
	connection, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	if role == "server" {
		return yamux.Server(connection, nil)
	}
	return yamux.Client(connection, nil)
}

// echoAll sends back what comes on each stream, until the session ends.
func echoAll(session *yamux.Session) {
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			return
		}
		go func() {
			defer stream.Close()
			io.Copy(stream, stream)
		}()
	}
}

// compareAll has streams of its own sent back, all at the same time.
func compareAll(session *yamux.Session, count, size int) error {
	results := make(chan error)
	for seed := 1; seed <= count; seed++ {
		go func(seed int) { results <- compare(session, pattern(uint64(seed), size)) }(seed)
	}
	for ; count > 0; count-- {
		if err := <-results; err != nil {
			return err
		}
	}
	return nil
}

func compare(session *yamux.Session, sent []byte) error {
	opened, err := session.OpenStream()
	if err != nil {
		return err
	}
	stream := halfclose.Stream{Stream: opened}
	written := make(chan error, 1)
	go func() {
		_, err := stream.Write(sent)
		stream.Close()
		written <- err
	}()
	received, err := io.ReadAll(stream)
	if err != nil {
		return fmt.Errorf("stream %d: after %d bytes: %w", opened.StreamID(), len(received), err)
	}
	if err := <-written; err != nil {
		return fmt.Errorf("stream %d: writing: %w", opened.StreamID(), err)
	}
	if bytes.Equal(received, sent) {
		return nil
	}
	place := 0
	for place < len(received) && place < len(sent) && received[place] == sent[place] {
		place++
	}
	return fmt.Errorf("stream %d: %d of %d bytes came back, the first %d right", opened.StreamID(), len(received), len(sent), place)
}

// pattern has bytes that only look random (xorshift).
func pattern(seed uint64, size int) []byte {
	state := seed * 0x9e3779b97f4a7c15
	bytes := make([]byte, size)
	for place := range bytes {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		bytes[place] = byte(state)
	}
	return bytes
}
