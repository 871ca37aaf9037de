// Publishes a workload, asks for all routes and the traffic, and withdraws it again.
//
//	caller SOCKET        Redis' unix socket
package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/gomodule/redigo/redis"
	"github.com/vmihailenco/msgpack/v5"
)

const timeout = 20 // seconds

type NamedProxy struct {
	Name           string
	TLSPassthrough bool
	Backends       []string
}

type Route struct {
	Workload, Kind, FQDN string
	TLSPassthrough       bool
	Backends             []string
}

type Metrics struct {
	Request, Response map[string]float64
}

type objectID struct{ Name, Version string }

type request struct {
	ID      string
	Inputs  [][]byte // each argument is MessagePack of its own, as binary
	Object  objectID
	ReplyTo string
	Method  string
}

type response struct {
	ID     string
	Output struct {
		Data  []byte
		Error *CallError
	}
	Error *string
}

// CallError is the refusal of a method that ran. Any other error of a call means that it did not reach a method.
type CallError struct{ Message string }

func (e *CallError) Error() string { return e.Message }

// call calls a method of the gateway and decodes its result into result; nil for a method without one.
func call(bus redis.Conn, result interface{}, method string, arguments ...interface{}) error {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	id := fmt.Sprintf("%x", random)
	request := request{ID: id, Object: objectID{"manager", "0.0.1"}, ReplyTo: id, Method: method}
	for _, argument := range arguments {
		input, err := msgpack.Marshal(argument)
		if err != nil {
			return err
		}
		request.Inputs = append(request.Inputs, input)
	}
	payload, err := msgpack.Marshal(&request)
	if err != nil {
		return err
	}
	if _, err := bus.Do("RPUSH", "gateway.manager@0.0.1", payload); err != nil {
		return err
	}
	answer, err := redis.ByteSlices(bus.Do("BLPOP", id, timeout))
	if err == redis.ErrNil {
		return fmt.Errorf("%s: no answer within %d s; it may still take effect", method, timeout)
	} else if err != nil {
		return err
	}
	var response response
	if err := msgpack.Unmarshal(answer[1], &response); err != nil {
		return err
	}
	if response.Error != nil && *response.Error != "" {
		return errors.New(*response.Error)
	}
	if response.Output.Error != nil {
		return response.Output.Error
	}
	if result == nil {
		return nil
	}
	return msgpack.Unmarshal(response.Output.Data, result)
}

func main() {
	bus, err := redis.Dial("unix", os.Args[1])
	check(err)
	defer bus.Close()
	proxy := NamedProxy{Name: "web", Backends: []string{"http://10.1.2.3:9000"}}

	var fqdn string
	check(call(bus, &fqdn, "SetNamedProxy", "37-1976-web", proxy))
	fmt.Println("published", fqdn)

	var refusal *CallError
	err = call(bus, &fqdn, "SetNamedProxy", "37-1977-web", proxy)
	if !errors.As(err, &refusal) {
		log.Fatalf("not refused: %v", err)
	}
	fmt.Println("refused:", refusal)

	var routes []Route
	check(call(bus, &routes, "Routes"))
	for _, route := range routes {
		fmt.Println("route", route.Workload, route.Kind, route.FQDN, strings.Join(route.Backends, " "))
	}

	var metrics Metrics
	check(call(bus, &metrics, "Metrics"))
	fmt.Printf("sent to backends: %.1f bytes\n", metrics.Request["37-1976-web"])

	check(call(bus, nil, "DeleteNamedProxy", "37-1976-web"))
	fmt.Println("withdrawn")
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
