/* SPDX-License-Identifier: GPL-2.0 */
/*
 * States of the vDSO's getrandom() for tests, of which most use the first.
 */

#ifndef VGETRANDOM_STATE_H
#define VGETRANDOM_STATE_H

#include "vgetrandom_fill.h"

FIXTURE(state) {
	struct vgetrandom v;
	struct vgetrandom_states states;
	void *state;
};

FIXTURE_SETUP(state)
{
	ASSERT_TRUE(vgetrandom_open(&self->v)) TH_LOG("%s", strerror(errno));
	ASSERT_TRUE(vgetrandom_states_map(&self->v, &self->states, NUM_THREADS));
	self->state = vgetrandom_state(&self->states, 0);
}

FIXTURE_TEARDOWN(state)
{
	vgetrandom_states_unmap(&self->states);
}

#endif /* VGETRANDOM_STATE_H */
