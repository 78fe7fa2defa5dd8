// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"net/http"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/ratings"
)

// rateRoutes is where people rate what they asked for.
func rateRoutes() map[string][]endpoint {
	return map[string][]endpoint{
		"/generate/rate/{id}": {{http.MethodPost, []limit{perCall(5, minute)}, (*Server).rate}},
	}
}

func rateBody() *schema {
	const idLength = 36
	return shape(map[string]*schema{
		"best": text().length(idLength, idLength),
		"ratings": list(shape(map[string]*schema{
			"id":        text().length(idLength, idLength),
			"rating":    integer().between(horde.MinRating, horde.MaxRating),
			"artifacts": integer().between(0, horde.MaxArtifacts),
		}, "id", "rating")).atMost(maxRatings),
	})
}

// maxRatings bounds what one body may hold; the rules refuse more than there are images.
const maxRatings = 100

// rate is POST /generate/rate/{id}. The ID is the secret; there is no key, and the reward goes to who asked.
func (s *Server) rate(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.rate)
	if err != nil {
		return err
	}
	id, err := c.requestID()
	if err != nil {
		return err
	}
	own := ratings.OwnSet{Request: id, Client: c.clientAgent()}
	for _, o := range body.objects("ratings") {
		own.Ratings = append(own.Ratings, horde.Rating{
			Generation: generationID(o.text("id", "")), Rating: int(o.integer("rating", 0)),
			Artifacts: int(o.integer("artifacts", horde.NoArtifacts)),
		})
	}
	if body.has("best") {
		own.Best = generationID(body.text("best", ""))
	}
	if s.opts.Ratings == nil {
		if _, err := s.deps.Engine.RatedSet(id); err != nil {
			return err
		}
		return horde.Refuse(horde.CodeAestheticsServerDown, "This horde takes no ratings at the moment.")
	}
	reward, err := s.opts.Ratings.RateOwn(c.r.Context(), own)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, wire.RateReply{Reward: amount(reward)})
}

// generationID reads an ID. What is none is one that no image has, so that the rules say it is not found.
func generationID(text string) horde.GenerationID {
	id, err := horde.ParseUUID(text)
	if err != nil || id.IsZero() {
		return horde.GenerationID{UUID: horde.UUID{15: 1}}
	}
	return horde.GenerationID{UUID: id}
}
