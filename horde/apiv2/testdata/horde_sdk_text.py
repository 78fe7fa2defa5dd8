# SPDX-License-Identifier: AGPL-3.0-or-later
"""Drives a horde's texts and alchemy with the public Python SDK, as its users and as worker software do.

The test that starts this sets the environment: AI_HORDE_URL, which the SDK reads when it is imported, and KEY and
WORKER_KEY. What is wrong ends it. It needs python -I, or it would import itself.
"""

import asyncio
import base64
import io
import os
import threading
import time

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
    AlchemyAsyncRequest,
    AlchemyAsyncRequestFormItem,
    AlchemyDeleteRequest,
    AlchemyJobSubmitRequest,
    AlchemyPopRequest,
    AlchemyStatusRequest,
    HordePerformanceRequest,
    ModelGenerationInputKobold,
    TextGenerateAsyncRequest,
    TextGenerateJobPopRequest,
    TextGenerateStatusRequest,
    TextGenerationJobSubmitRequest,
)
from horde_sdk.ai_horde_api.consts import GENERATION_STATE, KNOWN_ALCHEMY_TYPES

KEY, WORKER_KEY = os.environ["KEY"], os.environ["WORKER_KEY"]
WRONG, SCRIBE, ALCHEMIST, MODEL = "w" * 22, "python scribe", "python alchemist", "koboldcpp/Tale-7B"

simple, manual = AIHordeAPISimpleClient(), AIHordeAPIManualClient()
over, troubles = threading.Event(), []


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


def beside(call):
    def guarded():
        try:
            call()
        except BaseException as e:  # noqa: BLE001 - whatever it is, the main thread tells it
            troubles.append(e)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    return thread


def drawing(side=64):
    out = io.BytesIO()
    PIL.Image.new("RGB", (side, side), (200, 80, 80)).save(out, "WEBP", lossless=True)
    return out.getvalue()


# --- workers

def text_offer(**more):
    return TextGenerateJobPopRequest(**{
        "apikey": WORKER_KEY, "name": SCRIBE, "models": [MODEL], "max_length": 512, "max_context_length": 4096,
        "bridge_agent": "AI Horde Worker~aphrodite~oai:9:https://example.com", "bridge_version": 9, "threads": 1, "nsfw": True,
        "priority_usernames": [], "softprompts": [], "require_upfront_kudos": False, "amount": 1,
    } | more)


def write():
    while not over.is_set():
        job = send(text_offer())
        if job.id_ is None:
            assert job.model is None and job.ids == [], job
            time.sleep(0.02)
            continue
        assert job.ids == [job.id_] and job.model == MODEL and job.ttl == 150, job
        assert job.payload.prompt.startswith("Once") and job.payload.max_length == 80, job.payload
        assert job.payload.temperature == 0.7 and job.payload.stop_sequence == ["\n"], job.payload
        done = TextGenerationJobSubmitRequest(
            apikey=WORKER_KEY, id=job.id_, generation=" there was a horde.", state=GENERATION_STATE.ok, gen_metadata=[]
        )
        assert send(done).reward > 0
        assert refused(done) == "DuplicateGen"


def form_offer(**more):
    forms = [KNOWN_ALCHEMY_TYPES.caption, KNOWN_ALCHEMY_TYPES.nsfw, KNOWN_ALCHEMY_TYPES.RealESRGAN_x4plus]
    return AlchemyPopRequest(**{"apikey": WORKER_KEY, "name": ALCHEMIST, "priority_usernames": [], "forms": forms} | more)


def brew():
    """Fill in forms. The SDK knows results only as texts; what is no text goes as other worker software sends it."""
    while not over.is_set():
        job = send(form_offer())
        if not job.forms:
            time.sleep(0.02)
            continue
        for form in job.forms:
            got = requests.get(form.source_image, timeout=20)
            assert PIL.Image.open(io.BytesIO(got.content)).size == (64, 64)
            if form.form == "caption":
                done = AlchemyJobSubmitRequest(apikey=WORKER_KEY, id=form.id_, result="a red square", state=GENERATION_STATE.ok)
                assert send(done).reward > 0
                assert refused(done) == "DuplicateGen"
                continue
            if form.form == "nsfw":
                result = {"nsfw": False}
            else:
                requests.put(form.r2_upload, data=drawing(256), timeout=20).raise_for_status()
                result = {form.form: "R2"}
            body = {"id": str(form.id_), "result": result, "state": "ok"}
            url = os.environ["AI_HORDE_URL"] + "v2/interrogate/submit"
            reply = requests.post(url, json=body, headers={"apikey": WORKER_KEY}, timeout=20)
            assert reply.status_code == 200 and reply.json()["reward"] > 0, reply.text


# --- people

def tell(n=1, **more):
    more = {"apikey": KEY, "prompt": "Once upon a time", "models": [MODEL], "validated_backends": True} | more
    params = ModelGenerationInputKobold(n=n, max_length=80, temperature=0.7, stop_sequence=["\n"])
    return TextGenerateAsyncRequest(params=params, **more)


def look(*forms, **more):
    items = [AlchemyAsyncRequestFormItem(name=f) for f in forms]
    return AlchemyAsyncRequest(**{"apikey": KEY, "forms": items, "source_image": base64.b64encode(drawing()).decode()} | more)


def told(status, n):
    """Make sure that a request ended with n texts of the scribe."""
    assert status.done and status.finished == n and len(status.generations) == n, status
    for g in status.generations:
        assert (g.text, g.model, g.worker_name, g.state) == (" there was a horde.", MODEL, SCRIBE, GENERATION_STATE.ok), g


def texts():
    assert simple.text_generate_request_dry_run(tell(2, dry_run=True)).kudos > 0
    # The SDK's simple client ends its wait at exactly one text, however many were asked for.
    status, number = simple.text_generate_request(tell(), timeout=60)
    told(status, 1)
    pair = send(tell(2))
    last = time.monotonic() + 60
    while not (status := send(TextGenerateStatusRequest(id=pair.id_))).done:
        assert time.monotonic() < last, status
        time.sleep(0.05)
    told(status, 2)
    again = send(TextGenerateStatusRequest(id=number))
    assert again.done and again.kudos > 0
    assert refused(TextGenerateStatusRequest(id="00000000-0000-4000-8000-000000000000")) == "RequestNotFound"
    assert refused(tell(apikey=WRONG)) == "InvalidAPIKey"
    alone = send(tell(models=["never heard of"]))
    assert alone.message.startswith("Warning"), alone


def alchemy():
    status, number = simple.alchemy_request(look("caption", "nsfw", "RealESRGAN_x4plus"), timeout=60)
    assert status.state == "done" and len(status.forms) == 3, status
    assert status.all_caption_results[0].caption == "a red square"
    assert status.all_nsfw_results[0].nsfw is False
    improved = requests.get(status.all_upscale_results[0].url, timeout=20)
    assert PIL.Image.open(io.BytesIO(improved.content)).size == (256, 256)
    free, _ = simple.alchemy_request(look("caption"), timeout=10)
    assert free.all_caption_results[0].caption == "a red square"
    assert send(AlchemyStatusRequest(id=number)).state == "done"
    waiting = send(look("vectorize"))
    assert send(AlchemyDeleteRequest(id=waiting.id_)).forms[0].state == "cancelled"
    assert refused(look("caption", apikey=WRONG)) == "InvalidAPIKey"
    assert refused(look("caption", source_image="http://127.0.0.1/x.png")) == "SourceImageUrlInvalid"


async def at_once():
    async with aiohttp.ClientSession() as http:
        async with AIHordeAPIAsyncClientSession(http, apikey=KEY) as session:
            client = AIHordeAPIAsyncSimpleClient(horde_client_session=session)
            text, seen = await asyncio.gather(
                client.text_generate_request(tell(), timeout=60), client.alchemy_request(look("nsfw"), timeout=60)
            )
            assert text[0].done and seen[0].state == "done", (text, seen)


def main():
    workers = [beside(write), beside(brew)]
    try:
        texts()
        alchemy()
        asyncio.run(at_once())
        sums = send(HordePerformanceRequest())
        assert sums.text_worker_count == 1 and sums.interrogator_count == 1, sums
        kinds = {w.name: w.type_ for w in simple.workers_all_details()}
        assert kinds == {SCRIBE: "text", ALCHEMIST: "interrogation"}, kinds
        assert refused(text_offer(name=ALCHEMIST)) == "PolymorphicNameConflict"
    finally:
        over.set()
        for worker in workers:
            worker.join(30)
        for trouble in troubles:
            raise trouble
    print("ok")


main()
