// The peer of the benchmark `decode`: go-mysql's syncer from the beginning of a log file to where nothing more comes,
// rows decoded, in one process.
//
//	gomysql PORT USER PASSWORD FILE END
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		panic(err)
	}
	return n
}

func rowsOf(h *replication.EventHeader, e *replication.RowsEvent) int {
	switch h.EventType {
	case replication.UPDATE_ROWS_EVENTv1, replication.UPDATE_ROWS_EVENTv2, replication.MARIADB_UPDATE_ROWS_COMPRESSED_EVENT_V1:
		return len(e.Rows) / 2
	}
	return len(e.Rows)
}

func main() {
	end := number(os.Args[5])
	syncer := replication.NewBinlogSyncer(replication.BinlogSyncerConfig{ServerID: 77002, Flavor: "mariadb",
		Host: "127.0.0.1", Port: uint16(number(os.Args[1])), User: os.Args[2], Password: os.Args[3]})
	began, rows := time.Now(), 0
	stream, err := syncer.StartSync(mysql.Position{Name: os.Args[4], Pos: 4})
	if err != nil {
		panic(err)
	}
	for at := uint64(0); at < end; {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		event, err := stream.GetEvent(ctx)
		cancel()
		if err != nil {
			panic(err)
		}
		if r, ok := event.Event.(*replication.RowsEvent); ok {
			rows += rowsOf(event.Header, r)
		}
		if p := uint64(event.Header.LogPos); p > at {
			at = p
		}
	}
	fmt.Printf("rows=%d cpu_s=%.3f wall_s=%.3f\n", rows, cpu(), time.Since(began).Seconds())
	os.Exit(0) // closing would wait for the server
}
