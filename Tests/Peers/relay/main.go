// Command relay is a relay of tunnels on hashicorp's library, as plain as can be: what ours is measured against.
//
//	relay --clients IP:PORT --users IP:PORT
//
// It lets any client in that says a secret on its first stream, as trc does, and carries users' connections to the one that came last,
// each on a stream of its own. It prints "connected" for each client.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"github.com/hashicorp/yamux"
)

func main() {
	clients := flag.String("clients", "", "where clients dial in")
	users := flag.String("users", "", "where users come")
	flag.Parse()
	var relay relay
	go serve(*clients, relay.takeClient)
	serve(*users, relay.takeUser)
}

// serve hands over what comes to an address.
func serve(address string, take func(net.Conn)) {
	listener, err := net.Listen("tcp", address)
	for err == nil {
		var connection net.Conn
		if connection, err = listener.Accept(); err == nil {
			go take(connection)
		}
	}
	fmt.Fprintln(os.Stderr, "relay:", err)
	os.Exit(1)
}

type relay struct {
	lock    sync.Mutex
	session *yamux.Session
}

func (r *relay) takeClient(connection net.Conn) {
	session, err := yamux.Server(connection, nil)
	if err != nil {
		return
	}
	stream, err := session.AcceptStream()
	if err != nil {
		return
	}
	// A magic number, the length of the secret and the secret.
	head := make([]byte, 4)
	if _, err := io.ReadFull(stream, head); err != nil {
		return
	}
	if _, err := io.ReadFull(stream, make([]byte, binary.BigEndian.Uint16(head[2:]))); err != nil {
		return
	}
	stream.Close()
	r.lock.Lock()
	r.session = session
	r.lock.Unlock()
	fmt.Println("connected")
}

func (r *relay) takeUser(user net.Conn) {
	defer user.Close()
	r.lock.Lock()
	session := r.session
	r.lock.Unlock()
	if session == nil {
		return
	}
	stream, err := session.OpenStream()
	if err != nil {
		return
	}
	defer stream.Close()
	over := make(chan struct{}, 2)
	go func() {
		io.Copy(stream, user)
		over <- struct{}{}
	}()
	go func() {
		io.Copy(user, stream)
		over <- struct{}{}
	}()
	// As the one ends, the other does.
	<-over
}
