package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// cutOffAfter is how long the server may take to end after a second signal,
// and lastWords how long it then waits for whoever reads what it says.
const cutOffAfter, lastWords = 9 * time.Second, time.Second

// end closes the server, which ends because of a signal or of why. What is
// asked then cuts the draining short; what hangs after that is cut off.
func (s *server) end(ctx context.Context, asked chan os.Signal, why error) error {
	drain, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), s.flags.drain, errors.New("the time to drain is over"))
	defer cancel()
	over := make(chan error, 1)
	go func() {
		err := s.close(drain)
		s.log.end()
		over <- err
	}()
	select {
	case err := <-over:
		signal.Stop(asked)
		return errors.Join(why, err)
	case <-asked:
	}
	cancel()
	late := time.NewTimer(cutOffAfter)
	defer late.Stop()
	select {
	case err := <-over:
		signal.Stop(asked)
		return errors.Join(why, err)
	case <-late.C:
	}
	s.cutOff(why) // and signals stay caught: one more would take its words away
	return nil
}

// cutOff says that not everything was booked, waits no longer than lastWords
// for who reads that, and leaves the exit code.
func (s *server) cutOff(why error) {
	said := make(chan struct{})
	go func() {
		defer close(said)
		s.log.end() // what waits comes first
		s.app.complain(errors.Join(why, fmt.Errorf("cut off %s after the second signal, before everything was booked", cutOffAfter)),
			"what is not booked is settled in full by the next aex that opens the ledger")
	}()
	late := time.NewTimer(lastWords)
	defer late.Stop()
	select {
	case <-said:
	case <-late.C:
	}
	s.app.exit = Exit{Code: exitFailed}
}

// close lets the gateway drain until its context ends, books what is open and
// gives everything back.
func (s *server) close(drain context.Context) (err error) {
	if s.pages != nil {
		s.pages.Close()
	}
	if s.gateway != nil {
		if n := s.gateway.Open(); n > 0 {
			s.log.printf("waiting for %d calls in flight, at most %s", n, s.flags.drain)
		}
		err = s.gateway.Shutdown(drain)
	}
	if s.listener != nil {
		_ = s.listener.Close() // the gateway has closed it, if it ever had it
	}
	s.stop(nil)
	s.owners.Wait()
	if s.lock != nil {
		err = errors.Join(err, removeQuietly(daemonPath(s.home)))
	}
	if s.ledger != nil {
		err = errors.Join(err, s.ledger.Close())
	}
	if s.lock != nil {
		if s.gateway != nil {
			s.log.printf("ended")
		}
		err = errors.Join(err, s.lock.Close())
	}
	return err
}
