# SPDX-License-Identifier: AGPL-3.0-or-later
"""Drives a horde with the public Python SDK, as its users and as worker software do.

The test that starts this sets the environment: AI_HORDE_URL, which the SDK reads when it is imported, and
KEY, WORKER_KEY and FRIEND (name#id). What is wrong ends it. It needs python -I, or it would import itself.
"""

import asyncio
import base64
import io
import os
import threading
import uuid

import aiohttp
import PIL.Image
import requests
from horde_sdk import RequestErrorResponse
from horde_sdk.ai_horde_api.ai_horde_clients import (
    AIHordeAPIAsyncClientSession,
    AIHordeAPIAsyncSimpleClient,
    AIHordeAPIManualClient,
    AIHordeAPISimpleClient,
)
from horde_sdk.ai_horde_api.apimodels import (
    FindUserRequest,
    GenMetadataEntry,
    HordePerformanceRequest,
    ImageGenerateAsyncRequest,
    ImageGenerateCheckRequest,
    ImageGenerateJobPopRequest,
    ImageGenerationInputPayload,
    ImageGenerationJobSubmitRequest,
    KudosTransferRequest,
    LorasPayloadEntry,
    ModifyWorkerRequest,
    SingleUserDetailsRequest,
    TIPayloadEntry,
)
from horde_sdk.ai_horde_api.consts import GENERATION_STATE, METADATA_TYPE, METADATA_VALUE
from horde_sdk.ai_horde_api.exceptions import AIHordeImageValidationError, AIHordeRequestError
from horde_sdk.exceptions import HordeException

KEY, WORKER_KEY, FRIEND = os.environ["KEY"], os.environ["WORKER_KEY"], os.environ["FRIEND"]
WRONG, NAME, MODEL, SIDE = "w" * 22, "python worker", "tiny", 64

simple, manual = AIHordeAPISimpleClient(), AIHordeAPIManualClient()


def send(request):
    """Return the reply to a request, which the SDK took for what it should be."""
    reply = manual.submit_request(request, request.get_default_success_response_type())
    assert not isinstance(reply, RequestErrorResponse), f"{type(request).__name__}: {reply!r}"
    return reply


def refused(request):
    """Return the code of a refusal."""
    reply = manual.submit_request(request, request.get_default_success_response_type())
    assert isinstance(reply, RequestErrorResponse), reply
    return reply.rc


def raises(kind, call):
    try:
        call()
    except kind as e:
        return e
    raise AssertionError(f"no {kind.__name__}")


def me(key=KEY):
    return send(FindUserRequest(apikey=key))


def ask(n=1, **more):
    """Ask for what the worker below serves, with most of what can be said."""
    more = {"apikey": KEY, "prompt": "red apple ### blurry", "models": [MODEL], "nsfw": False, "censor_nsfw": True} | more
    return ImageGenerateAsyncRequest(
        params=ImageGenerationInputPayload(
            width=SIDE, height=SIDE, steps=4, n=n, sampler_name="k_euler", cfg_scale=7.5, seed="1", karras=True,
            clip_skip=1, tiling=False, hires_fix=False, post_processing=[], post_processing_order="facefixers_first",
            loras=[LorasPayloadEntry(name="an add-on", model=0.5, clip=1, inject_trigger="any")],
            tis=[TIPayloadEntry(name="72437", inject_ti="prompt", strength=0.5)],
        ),
        **more,
    )


def offer(**more):
    """Say what worker software says of itself."""
    return ImageGenerateJobPopRequest(**{
        "apikey": WORKER_KEY, "name": NAME, "models": [MODEL], "max_pixels": 4 * 512 * 512, "amount": 2, "threads": 1,
        "bridge_agent": "AI Horde Worker reGen:14.0.0:https://github.com/Haidra-Org/horde-worker-reGen",
        "bridge_version": 21, "nsfw": True, "blacklist": ["a word"], "priority_usernames": [FRIEND],
        "allow_img2img": True, "allow_painting": True, "allow_unsafe_ipaddr": True, "allow_post_processing": True,
        "allow_controlnet": True, "allow_sdxl_controlnet": False, "allow_lora": True, "extra_slow_worker": False,
        "limit_max_steps": False, "require_upfront_kudos": False,
    } | more)


def drawing(shade):
    out = io.BytesIO()
    PIL.Image.new("RGB", (SIDE, SIDE), (shade, 80, 80)).save(out, "WEBP", lossless=True)
    return out.getvalue()


def look(image):
    """Check an image that came back and return its shade of red."""
    assert (image.format, image.size) == ("WEBP", (SIDE, SIDE)), image
    return image.convert("RGB").getpixel((0, 0))[0]


# --- a worker

over = threading.Event()
troubles, shades, sources = [], {}, []


def beside(call):
    """Start a thread whose trouble the main thread raises in the end."""

    def guarded():
        try:
            call()
        except BaseException as e:
            troubles.append(e)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    return thread


def work():
    while not over.is_set():
        job = send(offer())
        if job.model is None:
            assert job.id_ is None and job.ids == [] and job.payload.prompt is None and not job.skipped.is_empty(), job
            over.wait(0.05)
            continue
        deliver(job)


def deliver(job):
    wanted = job.payload
    assert job.ids_present and job.model == MODEL and job.skipped.is_empty(), job
    assert wanted.n_iter == len(job.ids) == len(job.r2_uploads) <= 2 and job.id_ in job.ids, job
    assert (wanted.width, wanted.height, wanted.ddim_steps, wanted.karras, wanted.cfg_scale) == (SIDE, SIDE, 4, True, 7.5)
    assert wanted.prompt == "red apple ### blurry" and wanted.sampler_name == "k_euler" and wanted.clip_skip == 1
    assert wanted.loras[0].name == "an add-on" and wanted.tis[0].inject_ti == "prompt" and wanted.use_nsfw_censor
    assert 0 < job.ttl < 3600 and 0 <= int(wanted.seed) < 1 << 32
    if job.source_image is not None:
        assert job.source_processing == "img2img", job
        asyncio.run(fetch_source(job))
    for i, (number, link) in enumerate(zip(job.ids, job.r2_uploads)):  # the SDK has sorted both
        assert str(number) in link, f"{link} is not where {number} goes"
        shades[str(number)] = (int(wanted.seed) * 7 + i * 50) % 256
        requests.put(link, data=drawing(shades[str(number)]), timeout=20).raise_for_status()
        done = ImageGenerationJobSubmitRequest(
            apikey=WORKER_KEY, id=number, generation="R2", state=GENERATION_STATE.ok, seed=int(wanted.seed), censored=False,
            gen_metadata=[GenMetadataEntry(type=METADATA_TYPE.information, value=METADATA_VALUE.see_ref, ref="a note")],
        )
        assert send(done).reward > 0
        assert refused(done) == "DuplicateGen"


async def fetch_source(job):
    async with aiohttp.ClientSession() as http:
        await job.async_download_additional_data(http)
    image = PIL.Image.open(io.BytesIO(base64.b64decode(job.get_downloaded_source_image())))
    assert abs(look(image) - 200) < 16  # the server has encoded it anew
    sources.append(image)


# --- two people

def one_by_one():
    """The simple client: from the price to the images."""
    price = simple.image_generate_request_dry_run(ask(2, dry_run=True))
    assert price.kudos > 0
    before, seen = me(), []
    status, number = simple.image_generate_request(ask(2), timeout=60, check_callback=seen.append)
    assert status.done and not status.faulted and status.is_possible and status.finished == 2 and status.kudos > 0, status
    assert [len(status.generations), seen[-1].done, seen[-1].finished, seen[-1].waiting] == [2, True, 2, 0]
    for g in status.generations:
        assert (g.model, g.worker_name, g.state, g.censored) == (MODEL, NAME, GENERATION_STATE.ok, False), g
        assert g.gen_metadata[0].value == METADATA_VALUE.see_ref and int(g.seed) >= 0
        assert look(simple.download_image_from_generation(g)) == shades[str(g.id_)]
        assert look(simple.download_image_from_url(g.img)) == shades[str(g.id_)]
    again = manual.get_generate_status(number)
    assert manual.get_generate_check(number).done and again == status
    after = me()
    assert after.kudos < before.kudos and after.records.request.image >= 1 and after.username.startswith("asker#")


async def all_at_once():
    """The asynchronous client: requests together, one with its image inside the reply, one that begins with an image."""
    async with aiohttp.ClientSession() as http:
        async with AIHordeAPIAsyncClientSession(http, apikey=KEY) as session:
            client = AIHordeAPIAsyncSimpleClient(horde_client_session=session)
            assert (await client.heartbeat_request()).message == "OK"
            assert (await client.image_generate_request_dry_run(ask(dry_run=True))).kudos > 0
            sketch = {"source_image": base64.b64encode(drawing(200)).decode(), "source_processing": "img2img"}
            answers = await asyncio.gather(
                *(client.image_generate_request(r, timeout=60) for r in (ask(), ask(3), ask(r2=False), ask(**sketch)))
            )
            assert [len(status.generations) for status, _ in answers] == [1, 3, 1, 1]
            for status, _ in answers:
                for g in status.generations:
                    image, number = await client.download_image_from_generation(g)
                    assert number == g.id_ and look(image) == shades[str(number)]
            assert len(await client.workers_all_details()) == 1
            assert (await client.image_status_models_all())[0].name == MODEL

        # Sessions that break clean up behind themselves: the popped job is given back, then the request taken back.
        request, pop = ask(models=["left alone"]), offer(name="careless worker", models=["left alone"])
        try:
            async with AIHordeAPIAsyncClientSession(http, apikey=KEY) as asker:
                number = (await asker.submit_request(request, request.get_default_success_response_type())).id_
                async with AIHordeAPIAsyncClientSession(http, apikey=WORKER_KEY) as careless:
                    job = await careless.submit_request(pop, pop.get_default_success_response_type())
                    assert job.model == "left alone", job
                    raise KeyError("something of the caller's own")
        except KeyError:
            pass
        check = manual.get_generate_check(number)
        assert (check.done, check.finished, check.processing, check.restarted) == (True, 0, 0, 1), check
        late = ImageGenerationJobSubmitRequest(
            apikey=WORKER_KEY, id=job.id_, generation="R2", state=GENERATION_STATE.ok, seed=1
        )
        assert refused(late) == "AbortedGen"


def lists():
    """What can be looked up."""
    assert simple.heartbeat_request().version is not None
    workers = simple.workers_all_details(api_key=KEY)
    mine = next(w for w in workers if w.name == NAME)
    assert mine.type_ == "image" and mine.online and mine.models == [MODEL] and mine.lora, mine
    assert len(simple.workers_all_details(worker_name=NAME.upper())) == 1
    by_name = simple.worker_details_by_name(NAME)
    assert by_name.id_ == mine.id_ == simple.worker_details(mine.id_, api_key=WORKER_KEY).id_
    assert mine.id_ in [str(i) for i in me(WORKER_KEY).worker_ids]
    models = simple.image_status_models_all()
    assert MODEL in [m.name for m in models] and simple.image_status_models_single(MODEL)[0].count == 1
    assert list(simple.get_news()) == []
    assert send(HordePerformanceRequest()).worker_count >= 1
    owner = me(WORKER_KEY)
    assert send(SingleUserDetailsRequest(user_id=str(owner.id_))).username == owner.username
    assert owner.kudos_details.accumulated >= 0 and owner.records.fulfillment.image >= 1 and owner.contributions is not None
    assert send(KudosTransferRequest(apikey=KEY, username=FRIEND, amount=7)).transferred == 7


def refusals():
    """What is refused arrives as the SDK's own errors."""
    wrong = raises(AIHordeRequestError, lambda: simple.image_generate_request(ask(apikey=WRONG)))
    assert str(wrong).startswith("No user matching sent API Key"), wrong
    assert refused(ask(apikey=WRONG)) == "InvalidAPIKey"
    fault = raises(HordeException, lambda: send(ask(prompt="")))
    assert str(fault) == "Input payload validation failed", fault
    raises(AIHordeImageValidationError, lambda: simple.image_generate_request(ask(source_image="no image", source_processing="img2img")))
    nobody = str(uuid.UUID(int=4))
    assert refused(ImageGenerateCheckRequest(id=nobody)) == "RequestNotFound"
    assert refused(FindUserRequest(apikey=WRONG)) == "UserNotFound"
    assert refused(offer(apikey=WRONG)) == "InvalidAPIKey"
    assert refused(offer(apikey=KEY)) == "WrongCredentials"
    assert refused(ImageGenerationJobSubmitRequest(apikey=WORKER_KEY, id=nobody, generation="R2", state="ok", seed=1)) == "InvalidJobID"
    alone = send(ask(models=["never heard of"]))
    assert alone.message.startswith("Warning") and alone.warnings[0].code == "NoAvailableWorker"
    assert not manual.get_generate_check(alone.id_).is_possible
    assert manual.delete_pending_image(alone.id_).waiting == 1
    assert manual.get_generate_check(alone.id_).done


def pause():
    """The worker's owner sends it into maintenance, and its next pop says so."""
    mine = simple.worker_details_by_name(NAME)
    change = ModifyWorkerRequest(apikey=WORKER_KEY, worker_id=mine.id_, maintenance=True, info="back soon")
    assert simple.worker_modify(change).maintenance is True
    assert simple.worker_details(mine.id_).maintenance_mode
    reply = manual.submit_request(offer(), offer().get_default_success_response_type())
    assert reply.rc == "WorkerMaintenance" and "maintenance mode" in reply.message.lower(), reply


def main():
    worker, crowd = beside(work), beside(one_by_one)
    try:
        asyncio.run(all_at_once())
        crowd.join(60)
        assert not crowd.is_alive() and not troubles and len(sources) == 1, troubles
        lists()
        refusals()
    finally:
        over.set()
        worker.join(30)
        for trouble in troubles:
            raise trouble
    pause()
    print("ok")


main()
