using System.Collections.Concurrent;
using Backprop.Console.Api;
using Backprop.Distributed.Coordination;

namespace Backprop.Console.Tests.Api;

/// <summary>What is answered while the coordinator moves.</summary>
public sealed class KnownAnswersTests
{
    private static readonly CoordinatorRequest s_request = new CoordinatorRequest.ListRuns();
    private static readonly CoordinatorAnswer s_runs = new CoordinatorAnswer.Runs([]);

    private readonly ScriptedCoordinator _coordinator = new();
    private readonly KnownAnswers _known;

    public KnownAnswersTests() => _known = new KnownAnswers(_coordinator, TimeProvider.System);

    [Fact]
    public async Task The_last_known_answer_is_given_with_its_age_while_there_is_no_newer_one()
    {
        _coordinator.Answers.Enqueue(Task.FromResult(s_runs));
        Assert.Null((await _known.AskAsync(s_request, default)).Trouble);
        var silent = new TaskCompletionSource<CoordinatorAnswer>();
        _coordinator.Answers.Enqueue(silent.Task);
        _known.Change();

        KnownAnswer old = await _known.AskAsync(s_request, default);

        Assert.Same(s_runs, old.Answer);
        Assert.NotNull(old.Trouble);
        Assert.NotEqual(TimeSpan.Zero, old.Age);
        var newer = new CoordinatorAnswer.Runs([]);
        silent.SetResult(s_runs);
        _coordinator.Answers.Enqueue(Task.FromResult<CoordinatorAnswer>(newer));
        Assert.Same(newer, (await _known.AskAsync(s_request, default)).Answer);
    }

    [Fact]
    public async Task What_was_never_known_is_waited_for()
    {
        var silent = new TaskCompletionSource<CoordinatorAnswer>();
        _coordinator.Answers.Enqueue(silent.Task);

        Task<KnownAnswer> asked = _known.AskAsync(s_request, default);
        silent.SetResult(new CoordinatorAnswer.Refused(RefusalKind.Unavailable, "it moves"));

        Assert.IsType<CoordinatorAnswer.Refused>((await asked).Answer);
    }

    [Fact]
    public async Task A_refusal_that_is_of_now_is_told_and_one_for_lack_of_a_coordinator_is_not()
    {
        _coordinator.Answers.Enqueue(Task.FromResult(s_runs));
        await _known.AskAsync(s_request, default);
        _known.Change();
        _coordinator.Answers.Enqueue(Task.FromResult<CoordinatorAnswer>(
            new CoordinatorAnswer.Refused(RefusalKind.Unavailable, "it moves")));
        Assert.Equal("it moves", (await _known.AskAsync(s_request, default)).Trouble);
        _known.Change();
        _coordinator.Answers.Enqueue(Task.FromResult<CoordinatorAnswer>(
            new CoordinatorAnswer.Refused(RefusalKind.NotFound, "there is none")));

        KnownAnswer gone = await _known.AskAsync(s_request, default);

        Assert.Null(gone.Trouble);
        Assert.IsType<CoordinatorAnswer.Refused>(gone.Answer);
    }

    [Fact]
    public async Task Whoever_asks_the_same_at_the_same_time_is_answered_by_one_question()
    {
        var slow = new TaskCompletionSource<CoordinatorAnswer>();
        _coordinator.Answers.Enqueue(slow.Task);

        Task<KnownAnswer>[] asked =
            [.. Enumerable.Range(0, 100).Select(_ => _known.AskAsync(s_request, default))];
        slow.SetResult(s_runs);

        Assert.All(await Task.WhenAll(asked), answer => Assert.Same(s_runs, answer.Answer));
        Assert.Equal(1, _coordinator.Questions);
    }

    private sealed class ScriptedCoordinator : ICoordinatorClient
    {
        private int _questions;

        public ConcurrentQueue<Task<CoordinatorAnswer>> Answers { get; } = new();

        public int Questions => _questions;

        public Task<CoordinatorAnswer> AskAsync(
            CoordinatorRequest request, CancellationToken cancellation)
        {
            Interlocked.Increment(ref _questions);
            Assert.True(Answers.TryDequeue(out Task<CoordinatorAnswer>? answer));
            return answer;
        }
    }
}
