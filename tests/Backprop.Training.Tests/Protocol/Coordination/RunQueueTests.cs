using System.Collections.Immutable;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Tests.Protocol.Coordination;

/// <summary>Who may train, and with which workers.</summary>
public sealed class RunQueueTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly List<QueueEvent> _journal = [];

    private RunQueue _queue = RunQueue.Empty;

    [Fact]
    public void A_higher_priority_goes_first_and_of_equals_who_came_first()
    {
        Submit("late", priority: 0);
        Submit("later", priority: 0);
        Submit("urgent", priority: 5);
        Assert.Equal(["urgent", "late", "later"], _queue.Runs.Select(run => run.Run.Value));
        Workers(1);
        Assert.Equal(1, CountOf("urgent"));
        Assert.Equal(0, CountOf("late"));
        Remove("urgent");
        Assert.Equal(1, CountOf("late"));
        AssertReplays();
    }

    [Fact]
    public void Several_run_at_once_when_workers_suffice_and_the_rest_is_shared_out()
    {
        Submit("a", min: 2, max: 3);
        Submit("b", min: 1, max: 8);
        Workers(6);
        Assert.Equal((3, 3), (CountOf("a"), CountOf("b")));
        Assert.Empty(_queue.Runs[0].Workers.Intersect(_queue.Runs[1].Workers));
        AssertReplays();
    }

    [Fact]
    public void What_a_run_has_beyond_its_need_goes_to_one_that_waits_and_the_rest_it_keeps()
    {
        Submit("a", min: 2, max: 8);
        Workers(4);
        ImmutableArray<NodeId> before = _queue.Runs[0].Workers;
        Submit("b", priority: 9, min: 2, max: 2);
        Assert.Equal((2, 2), (CountOf("a"), CountOf("b")));
        Assert.Subset(before.ToHashSet(), Find("a").Workers.ToHashSet());
        Submit("c", priority: 99, min: 1, max: 1);
        Assert.Equal((2, 2, 0), (CountOf("a"), CountOf("b"), CountOf("c")));
        Assert.Contains("needs 1 worker of", _queue.ReasonOf(new RunId("c")));
        AssertReplays();
    }

    [Fact]
    public void No_worker_is_granted_to_two_at_any_event()
    {
        Submit("a", min: 1, max: 8);
        Workers(5);
        Submit("b", priority: 9, min: 4, max: 5);
        RunQueue queue = RunQueue.Empty;
        foreach (QueueEvent happened in _journal)
        {
            queue = queue.Apply(happened);
            NodeId[] granted = [.. queue.Runs.SelectMany(run => run.Workers)];
            Assert.Equal(granted.Distinct(), granted);
        }
    }

    [Fact]
    public void A_large_run_that_goes_first_is_not_passed_by_small_ones()
    {
        Submit("large", priority: 1, min: 4, max: 4);
        Submit("small", min: 1, max: 1);
        Workers(3);
        Assert.Equal((0, 0), (CountOf("large"), CountOf("small")));
        Workers(5);
        Assert.Equal((4, 1), (CountOf("large"), CountOf("small")));
    }

    [Fact]
    public void A_run_whose_workers_are_gone_gives_its_turn_up()
    {
        Submit("a", min: 2, max: 2);
        Submit("b", min: 1, max: 1);
        Workers(3);
        Workers(1);
        Assert.Equal((0, 1), (CountOf("a"), CountOf("b")));
        Workers(3);
        Assert.Equal((2, 1), (CountOf("a"), CountOf("b")));
        AssertReplays();
    }

    [Fact]
    public void A_paused_run_takes_no_turn_until_it_is_resumed()
    {
        Submit("a", min: 1, max: 4);
        Submit("b", min: 1, max: 4);
        Workers(2);
        Decide(new QueueCommand.Pause(new RunId("a")));
        Assert.Equal((0, 2), (CountOf("a"), CountOf("b")));
        Assert.Contains("already", Refusal(new QueueCommand.Pause(new RunId("a"))));
        Decide(new QueueCommand.Resume(new RunId("a")));
        Assert.Equal((1, 1), (CountOf("a"), CountOf("b")));
        Assert.Contains("not paused", Refusal(new QueueCommand.Resume(new RunId("a"))));
        AssertReplays();
    }

    [Fact]
    public void What_cannot_be_is_refused_by_its_reason()
    {
        Submit("a");
        Assert.Contains("already", Refusal(new QueueCommand.Submit(new("a"), 0, 1, 1)));
        Assert.Contains("at least 1", Refusal(new QueueCommand.Submit(new("b"), 0, 0, 1)));
        Assert.Contains("2 to 1", Refusal(new QueueCommand.Submit(new("b"), 0, 2, 1)));
        Assert.Contains("not in the queue", Refusal(new QueueCommand.Remove(new("b"))));
    }

    private void Submit(string run, int priority = 0, int min = 1, int max = 1) =>
        Decide(new QueueCommand.Submit(new RunId(run), priority, min, max));

    private void Remove(string run) => Decide(new QueueCommand.Remove(new RunId(run)));

    private void Workers(int count) => Decide(new QueueCommand.ShareOut(
        [.. Enumerable.Range(0, count).Select(i => new NodeId($"worker-{i}"))]));

    private QueuedRun Find(string run) => _queue.Runs.Single(one => one.Run.Value == run);

    private int CountOf(string run) => Find(run).Workers.Length;

    private string Refusal(QueueCommand command)
    {
        QueueDecision decision = _queue.Decide(command, Now);
        Assert.Same(_queue, decision.Next);
        return decision.Refusal!;
    }

    private void Decide(QueueCommand command)
    {
        QueueDecision decision = _queue.Decide(command, Now);
        Assert.Null(decision.Refusal);
        _journal.AddRange(decision.Events);
        _queue = decision.Next;
    }

    private void AssertReplays() => Assert.Equal(
        StructuralText.Of(_queue),
        StructuralText.Of(
            _journal.Aggregate(RunQueue.Empty, (queue, happened) => queue.Apply(happened))
                with { Workers = _queue.Workers }));
}
