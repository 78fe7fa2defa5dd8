// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
)

// listBlocks is GET /operations/ipaddr: the ranges that are barred.
func (s *Server) listBlocks(c *call) error {
	if _, err := s.moderatorCalling(c); err != nil {
		return err
	}
	return c.reply(http.StatusOK, blocksOf(s.deps.Engine.Blocks()))
}

func blocksOf(blocks []horde.Block) []wire.IPTimeout {
	out := []wire.IPTimeout{}
	for _, b := range blocks {
		out = append(out, wire.IPTimeout{IPAddr: b.Address, Seconds: int(math.Ceil(b.Rest.Seconds()))})
	}
	return out
}

// showBlocks is GET /operations/ipaddr/{ipaddr}: what bars one address.
func (s *Server) showBlocks(c *call) error {
	if _, sent := c.key(); !sent {
		_, err := s.caller(c)
		return err
	}
	blocks, err := s.deps.Engine.BlocksOf(c.r.PathValue("ipaddr")) // what is no address is refused whoever asks
	if err != nil {
		return err
	}
	if _, err := s.moderatorCalling(c); err != nil {
		return err
	}
	return c.reply(http.StatusOK, blocksOf(blocks))
}

// addBlock is POST /operations/ipaddr.
func (s *Server) addBlock(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.guard.block)
	if err != nil {
		return err
	}
	return s.setBlock(c, body.text("ipaddr", ""), time.Duration(body.integer("hours", 0))*time.Hour)
}

// liftBlock is DELETE /operations/ipaddr. The address is in the body.
func (s *Server) liftBlock(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.guard.unblock)
	if err != nil {
		return err
	}
	return s.setBlock(c, body.text("ipaddr", ""), 0)
}

func (s *Server) setBlock(c *call, address string, span time.Duration) error {
	if _, sent := c.key(); !sent {
		_, err := s.caller(c)
		return err
	}
	if err := horde.CheckBlock(address); err != nil {
		return err
	}
	u, err := s.moderatorCalling(c)
	if err != nil {
		return err
	}
	if _, err := do(s, c, horde.SetBlock{By: u.ID, Address: address, For: span}); err != nil {
		return err
	}
	return c.done()
}

// blockWorker is PUT /operations/block_worker_ipaddr/{worker_id}.
func (s *Server) blockWorker(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.guard.blockWorker)
	if err != nil {
		return err
	}
	return s.setWorkerBlock(c, time.Duration(body.integer("days", 0))*24*time.Hour)
}

// unblockWorker is DELETE /operations/block_worker_ipaddr/{worker_id}.
func (s *Server) unblockWorker(c *call) error { return s.setWorkerBlock(c, 0) }

func (s *Server) setWorkerBlock(c *call, span time.Duration) error {
	u, err := s.moderatorCalling(c)
	if err != nil {
		return err
	}
	w, err := s.pathWorker(c)
	if err != nil {
		return err
	}
	if _, err := do(s, c, horde.BlockWorker{By: u.ID, Worker: w.ID, For: span}); err != nil {
		return err
	}
	return c.done()
}

// changeModes is PUT /status/modes. Its body is read leniently.
func (s *Server) changeModes(c *call) error {
	body, err := s.lenientBody(c)
	if err != nil {
		return err
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	op := horde.ChangeModes{
		By: u.ID, Maintenance: coerceTruth(body["maintenance_mode"]), InviteOnly: coerceTruth(body["invite_only_mode"]),
		Raid: coerceTruth(body["raid_mode"]),
	}
	if _, err := do(s, c, op); err != nil {
		return err
	}
	return c.reply(http.StatusOK, wire.ModesChanged{MaintenanceMode: op.Maintenance, InviteOnlyMode: op.InviteOnly, RaidMode: op.Raid})
}

// coerceTruth reads anything as true or false, as the protocol does where it is lenient: every text that is not empty is
// true, also "false". What is null or not there is nil.
func coerceTruth(v any) *bool {
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		return &v
	case json.Number:
		f, err := v.Float64()
		return new(err != nil || f != 0)
	case string:
		return new(v != "")
	case []any:
		return new(len(v) > 0)
	case map[string]any:
		return new(len(v) > 0)
	}
	return nil
}

// tellsItsName reports whether a caller says which program it is.
func (c *call) tellsItsName() bool {
	agent := c.r.Header.Get("Client-Agent")
	return agent != "" && !strings.EqualFold(agent, agentUnset)
}
