//! What Python awaits: values that are there, values that come, and waits that are cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use narthex_pyrt::{Recurring, RuntimeOptions, Wait, Waiter, awaitable, ready_none};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use crate::{Fixture, with_runtime};

/// A slot for one number.
#[derive(Default)]
struct Slot {
    value: Option<i64>,
    waiter: Option<Arc<Waiter>>,
}

struct Take(Arc<Mutex<Slot>>);

impl Wait for Take {
    fn poll(&self, py: Python<'_>, waiter: Option<&Arc<Waiter>>) -> Option<PyResult<Py<PyAny>>> {
        let mut slot = self.0.lock();
        if let Some(value) = slot.value.take() {
            Some(Ok(value.into_pyobject(py).unwrap().into_any().unbind()))
        } else {
            slot.waiter = waiter.cloned();
            None
        }
    }
}

fn put(slot: &Mutex<Slot>, value: i64) {
    let mut slot = slot.lock();
    slot.value = Some(value);
    let waiter = slot.waiter.take();
    drop(slot);
    if let Some(waiter) = waiter {
        waiter.wake();
    }
}

fn run(fixture: &Fixture<'_>, slot: &Arc<Mutex<Slot>>, source: &str) -> PyResult<i64> {
    let names = fixture.names();
    let (take, runtime) = (Arc::clone(slot), Arc::clone(&fixture.runtime));
    let new = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        awaitable(args.py(), &runtime, Take(Arc::clone(&take))).map(Bound::unbind)
    };
    names.set_item("take", PyCFunction::new_closure(fixture.py, None, None, new)?)?;
    set_recurring(fixture, slot, &names)?;
    let later = Arc::clone(slot);
    let put_later = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let value: i64 = args.get_item(0)?.extract()?;
        let slot = Arc::clone(&later);
        std::thread::spawn(move || put(&slot, value));
        PyResult::Ok(())
    };
    names.set_item("put_later", PyCFunction::new_closure(fixture.py, None, None, put_later)?)?;
    names.set_item("nothing", ready_none(fixture.py)?)?;
    fixture.run(source, &names)?.extract()
}

/// `take_next`, a recurring wait for the slot; `sources`, how many it has made; `poke`, which wakes who waits for nothing.
fn set_recurring(fixture: &Fixture<'_>, slot: &Arc<Mutex<Slot>>, names: &Bound<'_, PyDict>) -> PyResult<()> {
    let (each, runtime, recurring) = (Arc::clone(slot), Arc::clone(&fixture.runtime), Recurring::default());
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let next = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let source = || {
            count.fetch_add(1, Ordering::Relaxed);
            Take(Arc::clone(&each))
        };
        recurring.next(args.py(), &runtime, source).map(Bound::unbind)
    };
    names.set_item("take_next", PyCFunction::new_closure(fixture.py, None, None, next)?)?;
    let sources = move |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| made.load(Ordering::Relaxed);
    names.set_item("sources", PyCFunction::new_closure(fixture.py, None, None, sources)?)?;
    let poked = Arc::clone(slot);
    let poke = move |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let waiter = poked.lock().waiter.clone();
        waiter.iter().for_each(Waiter::wake);
    };
    names.set_item("poke", PyCFunction::new_closure(fixture.py, None, None, poke)?)
}

fn check(slot: Slot, source: &str, expected: i64) {
    with_runtime(RuntimeOptions::default(), |fixture| {
        let slot = Arc::new(Mutex::new(slot));
        assert_eq!(run(fixture, &slot, source).unwrap(), expected);
    });
}

#[test]
fn a_value_that_is_there_needs_no_turn_of_the_loop() {
    let source = "
import asyncio
async def main():
    turned = []
    asyncio.get_running_loop().call_soon(turned.append, 1)
    value = await take()
    assert not turned
    return value";
    check(Slot { value: Some(7), waiter: None }, source, 7);
}

#[test]
fn a_value_that_comes_from_another_thread_resumes_the_coroutine() {
    check(Slot::default(), "async def main():\n    put_later(8)\n    return await take()", 8);
}

#[test]
fn it_is_a_coroutine_for_create_task_and_gather() {
    let source = "
import asyncio
async def main():
    assert asyncio.iscoroutine(take())
    task = asyncio.create_task(take())
    await asyncio.sleep(0)
    assert not task.done()
    put_later(9)
    return await task";
    check(Slot::default(), source, 9);
}

#[test]
fn a_cancelled_wait_raises_at_its_await_and_takes_no_value() {
    let source = "
import asyncio
async def main():
    task = asyncio.create_task(take())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    else:
        raise AssertionError('not cancelled')
    put_later(10)
    return await take()";
    check(Slot::default(), source, 10);
}

#[test]
fn a_timeout_ends_the_wait_and_the_next_one_works() {
    let source = "
import asyncio
async def main():
    try:
        await asyncio.wait_for(take(), 0.01)
    except TimeoutError:
        pass
    put_later(11)
    return await take()";
    check(Slot::default(), source, 11);
}

#[test]
fn a_task_whose_context_is_in_use_is_told_of_by_the_event_loop() {
    let source = "
import asyncio, contextvars, logging, threading
async def main():
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    # The loop's exception handler would run in that context as well, from 3.12 on; then the loop itself logs.
    # Other loops of this process log there too.
    def emit(record):
        error = record.exc_info and record.exc_info[1]
        if isinstance(error, RuntimeError) and 'cannot enter context' in str(error):
            told.set()
    handler = logging.Handler()
    handler.emit = emit
    logging.getLogger('asyncio').addHandler(handler)
    context = contextvars.copy_context()
    task = loop.create_task(take(), context=context)
    await asyncio.sleep(0)
    inside, leave = threading.Event(), threading.Event()
    thread = threading.Thread(target=context.run, args=(lambda: (inside.set(), leave.wait()),))
    thread.start()
    inside.wait()
    put_later(12)
    try:
        await asyncio.wait_for(told.wait(), 10)
    finally:
        leave.set()
        thread.join()
        logging.getLogger('asyncio').removeHandler(handler)
    assert not task.done()
    return await take()";
    check(Slot::default(), source, 12);
}

#[test]
fn an_awaited_one_cannot_be_awaited_again() {
    let source = "
async def main():
    once = take()
    await once
    try:
        await once
    except RuntimeError as error:
        assert 'already awaited' in str(error)
        return 1";
    check(Slot { value: Some(1), waiter: None }, source, 1);
}

#[test]
fn the_ready_none_can_be_awaited_for_ever() {
    check(
        Slot::default(),
        "async def main():\n    assert await nothing is None and await nothing is None\n    return 1",
        1,
    );
}

#[test]
fn a_resumed_task_is_the_current_one_in_its_own_context() {
    let source = "
import asyncio, contextvars
name = contextvars.ContextVar('name')
async def wait(own):
    name.set(own)
    value = await take()
    assert name.get() == own and asyncio.current_task().get_name() == own
    return value
async def main():
    name.set('main')
    task = asyncio.create_task(wait('one'), name='one')
    await asyncio.sleep(0)
    put_later(12)
    value = await task
    assert name.get() == 'main'
    return value";
    check(Slot::default(), source, 12);
}

#[test]
fn what_a_task_waits_on_is_a_future_to_asyncio() {
    let source = "
import asyncio
async def main():
    called = []
    waits = take()
    future = waits.send(None)
    assert asyncio.isfuture(future) and not future.done() and not future.cancelled()
    try:
        future.result()
    except asyncio.InvalidStateError:
        called.append('not done')
    other = lambda done: called.append('other')
    future.add_done_callback(other)
    future.add_done_callback(lambda done: called.append(done is future))
    assert future.remove_done_callback(other) == 1 and future.remove_done_callback(other) == 0
    assert future.cancel('enough') and not future.cancel() and future.cancelled()
    try:
        future.result()
    except asyncio.CancelledError as error:
        called.append(error.args)
    await asyncio.sleep(0)
    waits.close()
    assert called == ['not done', ('enough',), True], called
    return 13";
    check(Slot::default(), source, 13);
}

#[test]
fn whoever_waits_beside_a_task_is_told_of_the_very_future() {
    let source = "
import asyncio
async def main():
    called = []
    waits = take()
    future = waits.send(None)
    future.add_done_callback(lambda done: called.append(done is future and done.result()))
    put_later(1)
    while not called:
        await asyncio.sleep(0.001)
    waits.close()
    assert called == [None], called
    return 14";
    check(Slot::default(), source, 14);
}

#[test]
fn the_message_of_a_cancellation_arrives() {
    let source = "
import asyncio
async def main():
    task = asyncio.create_task(take())
    await asyncio.sleep(0)
    task.cancel('why')
    try:
        await task
    except asyncio.CancelledError as error:
        assert error.args == ('why',), error.args
        return 14";
    check(Slot::default(), source, 14);
}

#[test]
fn an_exit_of_a_resumed_task_leaves_the_event_loop() {
    with_runtime(RuntimeOptions::default(), |fixture| {
        let source = "
import asyncio
async def ends():
    await take()
    raise SystemExit(3)
async def main():
    task = asyncio.create_task(ends())
    await asyncio.sleep(0)
    put_later(1)
    await asyncio.sleep(60)";
        let error = run(fixture, &Arc::default(), source).unwrap_err();
        assert!(error.is_instance_of::<pyo3::exceptions::PySystemExit>(fixture.py), "{error}");
    });
}

#[test]
fn a_comparison_that_raises_or_wakes_loses_no_callback() {
    let source = "
import asyncio

class Other:
    def __init__(self, then):
        self.then = then
    def __call__(self, parked):
        called.append(self)
    def __eq__(self, other):
        return self.then()

called = []

def refuse():
    raise LookupError

async def main():
    loop = asyncio.get_running_loop()
    waiting = take()
    parked = waiting.send(None)
    one, two = Other(lambda: False), Other(lambda: False)
    for callback in (one, two, one):
        parked.add_done_callback(callback)
    try:
        parked.remove_done_callback(Other(refuse))
    except LookupError:
        pass
    assert parked.remove_done_callback(Other(lambda: False)) == 0
    assert parked.remove_done_callback(Other(lambda: True)) == 3
    for callback in (one, two):
        parked.add_done_callback(callback)
    assert parked.remove_done_callback(Other(lambda: parked.cancel() and False)) == 0
    assert parked.done()
    await asyncio.sleep(0)
    # Their equality is odd.
    assert [*map(id, called)] == [id(one), id(two)], called
    return len(called)";
    check(Slot::default(), source, 2);
}

#[test]
fn a_recurring_wait_gives_value_after_value() {
    let source = "
async def main():
    total = 0
    for value in range(100):
        put_later(value)
        total += await take_next()
    assert sources() == 1, sources()
    return total";
    check(Slot::default(), source, 4950);
}

#[test]
fn a_recurring_wait_that_somebody_has_still_is_not_given_again() {
    let source = "
async def main():
    first = take_next()
    put_later(1)
    assert await first == 1
    second = take_next()
    assert second is not first
    try:
        await first
    except RuntimeError as error:
        assert 'already awaited' in str(error), error
    else:
        raise AssertionError('awaited twice')
    put_later(2)
    return await second";
    check(Slot::default(), source, 2);
}

#[test]
fn a_recurring_wait_that_was_cancelled_is_followed_by_one_that_gets_the_value() {
    let source = "
import asyncio
async def main():
    for _ in range(3):
        try:
            async with asyncio.timeout(0.001):
                await take_next()
        except TimeoutError:
            continue
        raise AssertionError('there was no value')
    two = asyncio.create_task(take_next()), asyncio.create_task(take_next())
    await asyncio.sleep(0)
    two[0].cancel()
    put_later(3)
    done, _ = await asyncio.wait(two)
    assert two[0].cancelled()
    return two[1].result()";
    check(Slot::default(), source, 3);
}

#[test]
fn a_wake_up_for_the_last_value_does_not_end_the_wait_for_the_next() {
    let source = "
import asyncio
async def main():
    put_later(1)
    assert await take_next() == 1
    for value in range(50):
        waits = take_next()
        parked = waits.send(None)
        poke()
        waits.close()
        del waits, parked
        task = asyncio.create_task(take_next())
        await asyncio.sleep(0)
        put_later(value)
        assert await task == value
        del task
        # Whoever resumes this has the task, and that the wait.
        await asyncio.sleep(0)
    assert sources() == 1, sources()
    return 4";
    check(Slot::default(), source, 4);
}
