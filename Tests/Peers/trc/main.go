// Command trc is a client as tcprouter's, by what that puts on the wire: it dials in, says its secret, and joins each stream that the
// server opens to a connection to a local application.
//
//	trc --remote IP:PORT --local IP:PORT [--local-tls IP:PORT] --secret TEXT
//
// It prints "connected" when the secret is written and "closed" when the session has ended; then it exits with status 0.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/hashicorp/yamux"

	"../halfclose"
)

const (
	magic     = 0x1111
	handshake = 22 // the first byte of a TLS ClientHello's record
)

func main() {
	remote := flag.String("remote", "", "where the server listens")
	local := flag.String("local", "", "where the application listens")
	localTLS := flag.String("local-tls", "", "where it listens for TLS; as --local when left out")
	secret := flag.String("secret", "", "by which the server knows whose client this is")
	flag.Parse()
	if *remote == "" || *local == "" || len(*secret) > 0xffff {
		flag.Usage()
		os.Exit(2)
	}
	if *localTLS == "" {
		*localTLS = *local
	}
	if err := run(*remote, *local, *localTLS, *secret); err != nil {
		fmt.Fprintln(os.Stderr, "trc:", err)
		os.Exit(1)
	}
}

func run(remote, local, localTLS, secret string) error {
	connection, err := net.DialTimeout("tcp", remote, 5*time.Second)
	if err != nil {
		return err
	}
	session, err := yamux.Client(connection, nil)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := introduce(session, secret); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	fmt.Println("connected")
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			fmt.Println("closed")
			return nil
		}
		go serve(halfclose.Stream{Stream: stream}, local, localTLS)
	}
}

// introduce tells the secret on the session's first stream. There is no answer.
func introduce(session *yamux.Session, secret string) error {
	stream, err := session.OpenStream()
	if err != nil {
		return err
	}
	message := binary.BigEndian.AppendUint16(nil, magic)
	message = binary.BigEndian.AppendUint16(message, uint16(len(secret)))
	if _, err := stream.Write(append(message, secret...)); err != nil {
		return err
	}
	return stream.Close()
}

// serve joins a stream to the application. Without one, the stream ends and the session goes on.
func serve(stream halfclose.Stream, local, localTLS string) {
	defer stream.Close()
	reader := bufio.NewReader(stream)
	first, err := reader.Peek(1)
	if err != nil && err != io.EOF {
		return
	}
	address := local
	if len(first) == 1 && first[0] == handshake {
		address = localTLS
	}
	application, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		fmt.Fprintln(os.Stderr, "trc:", err)
		stream.Close()
		// The library cannot reset a stream; what is not read would hold the server up.
		io.Copy(io.Discard, stream)
		return
	}
	join(stream, reader, application.(*net.TCPConn))
}

// join copies both ways; the end of one way closes a half only.
func join(stream halfclose.Stream, reader io.Reader, application *net.TCPConn) {
	defer application.Close()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		io.Copy(stream, application)
		stream.Close()
	}()
	_, err := io.Copy(application, reader)
	switch {
	case err == nil:
		application.CloseWrite()
	case isOpError(err) && !errors.Is(err, yamux.ErrConnectionReset):
		// The application takes no more, and may still have something to say.
		io.Copy(io.Discard, reader)
	default:
		// The stream was reset: so is the connection.
		application.SetLinger(0)
		application.Close()
	}
	<-answered
}

func isOpError(err error) bool {
	_, is := err.(*net.OpError)
	return is
}
