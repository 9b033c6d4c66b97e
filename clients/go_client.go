// SPDX-License-Identifier: GPL-2.0

// A program as any other, for Go's crypto/rand, which uses the vDSO: threads whose
// random numbers must all differ, after getrandom() the system call has become deadly;
// children; and an HTTPS server with its clients. Ends with "done".
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	threads = 4
	calls   = 5000
	block   = 16
)

var zeros [block]byte

func check(err error, what string) {
	if err != nil {
		fmt.Fprintln(os.Stderr, what+":", err)
		os.Exit(1)
	}
}

// allDiffer fails unless all blocks differ, and none is zeros.
func allDiffer(what string, blocks [][block]byte) {
	seen := map[[block]byte]bool{zeros: true}
	for _, b := range blocks {
		if seen[b] {
			check(fmt.Errorf("a block is zeros or there twice"), what)
		}
		seen[b] = true
	}
	fmt.Printf("%s: %d blocks of %d bytes, all different\n", what, len(blocks), block)
}

// forbidGetrandom makes the system call deadly for all threads.
func forbidGetrandom() {
	type filter struct {
		code   uint16
		jt, jf uint8
		k      uint32
	}
	program := []filter{
		{0x20, 0, 0, 0},          // the system call's number
		{0x15, 0, 1, 318},        // getrandom
		{0x06, 0, 0, 0x80000000}, // SECCOMP_RET_KILL_PROCESS
		{0x06, 0, 0, 0x7fff0000}, // SECCOMP_RET_ALLOW
	}
	fprog := struct {
		len    uint16
		filter *filter
	}{uint16(len(program)), &program[0]}
	_, _, errno := syscall.AllThreadsSyscall6(syscall.SYS_PRCTL, 38, 1, 0, 0, 0, 0)
	if errno != 0 {
		check(errno, "no_new_privs")
	}
	// SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC
	_, _, errno = syscall.RawSyscall(317, 1, 1, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		check(errno, "seccomp")
	}
}

// withoutSystemCall reads random numbers in threads that have their states.
func withoutSystemCall() {
	var warm, done sync.WaitGroup
	forbidden := make(chan bool)
	out := make([][][block]byte, threads)
	for t := range threads {
		warm.Add(1)
		done.Add(1)
		go func() {
			runtime.LockOSThread()
			out[t] = make([][block]byte, calls)
			_, err := rand.Read(out[t][0][:])
			check(err, "rand.Read")
			warm.Done()
			<-forbidden
			for i := 1; i < calls; i++ {
				_, err := rand.Read(out[t][i][:])
				check(err, "rand.Read")
			}
			done.Done()
		}()
	}
	warm.Wait()
	forbidGetrandom()
	close(forbidden)
	done.Wait()
	var all [][block]byte
	for t := range threads {
		all = append(all, out[t]...)
	}
	allDiffer("without the system call", all)
}

func children() {
	var all [][block]byte
	for range 20 {
		var b [block]byte
		rand.Read(b[:])
		all = append(all, b)
		out, err := exec.Command("/proc/self/exe", "child").Output()
		check(err, "child")
		all = append(all, [block]byte(out))
	}
	allDiffer("children", all)
}

func https() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err, "key")
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	check(err, "certificate")
	certificate, err := x509.ParseCertificate(der)
	check(err, "certificate")

	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	})
	check(err, "listen")
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	}))

	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	var done sync.WaitGroup
	for range threads {
		done.Add(1)
		go func() {
			for range 10 {
				// each with a handshake of its own
				client := http.Client{Transport: &http.Transport{
					TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true,
				}}
				text := []byte(rand.Text())
				answer, err := client.Post("https://"+listener.Addr().String(), "", bytes.NewReader(text))
				check(err, "request")
				body, err := io.ReadAll(answer.Body)
				check(err, "answer")
				if !bytes.Equal(text, body) {
					check(fmt.Errorf("%q instead of %q", body, text), "answer")
				}
			}
			done.Done()
		}()
	}
	done.Wait()
	fmt.Printf("https: %d requests\n", threads*10)
}

func main() {
	if len(os.Args) > 1 {
		var b [block]byte
		rand.Read(b[:])
		os.Stdout.Write(b[:])
		return
	}
	fmt.Println(runtime.Version())
	children()
	https()
	withoutSystemCall()
	fmt.Println("done")
}
