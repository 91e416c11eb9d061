using System.Collections.Immutable;
using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Persistence;
using Akka.Persistence.Journal;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Serialization;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>What was answered is durable, and what was not durable was not answered.</summary>
public sealed class CoordinatorJournalTests : IDisposable
{
    private static readonly TimeSpan s_soon = TimeSpan.FromMilliseconds(50);
    private readonly StateFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_journal_opened_again_replays_what_was_decided()
    {
        using (ActorSystem before = await StateFolder.StartAsync(_folder.Options))
        {
            IActorRef ledger = before.ActorOf(Ledger.Props("ledger-1"));
            IActorRef other = before.ActorOf(Ledger.Props("ledger-2"));
            Assert.Equal(2, await RecordAsync(ledger, "a", "b"));
            Assert.Equal(1, await RecordAsync(other, "x"));
            Assert.Equal(2, await RecordAsync(ledger));
            Assert.Equal(3, await RecordAsync(ledger, "c"));
            await before.Terminate();
        }

        using ActorSystem system = await StateFolder.StartAsync(_folder.Options);
        Assert.Equal(["a", "b", "c"], await ReadAsync(system.ActorOf(Ledger.Props("ledger-1"))));
        Assert.Equal(["x"], await ReadAsync(system.ActorOf(Ledger.Props("ledger-2"))));
        await system.Terminate();
    }

    [Fact]
    public async Task An_actor_that_fails_is_started_again_from_its_journal()
    {
        using ActorSystem system = await StateFolder.StartAsync(_folder.Options);
        IActorRef ledger = Supervised(system);
        Assert.Equal(1, await RecordAsync(ledger, "a"));
        ledger.Tell(new Ledger.Fail());
        Assert.Equal(["a"], await EventuallyAsync(() => ReadAsync(ledger)));
        Assert.Equal(2, await RecordAsync(ledger, "b"));
        await system.Terminate();
    }

    [Fact]
    public async Task Who_decides_on_what_another_has_made_old_is_refused_and_learns_of_it()
    {
        using ActorSystem old = await StateFolder.StartAsync(_folder.Options);
        using ActorSystem young = await StateFolder.StartAsync(_folder.Options);
        IActorRef before = Supervised(old);
        Assert.Equal(1, await RecordAsync(before, "a"));
        IActorRef after = Supervised(young);
        Assert.Equal(2, await RecordAsync(after, "b"));

        await Assert.ThrowsAsync<AskTimeoutException>(() =>
            before.Ask<int>(new Ledger.Record("c"), TimeSpan.FromSeconds(2)));
        Assert.Equal(["a", "b"], await ReadAsync(after));
        Assert.Equal(["a", "b"], await EventuallyAsync(() => ReadAsync(before)));
        await Task.WhenAll(old.Terminate(), young.Terminate());
    }

    [Fact]
    public async Task A_decision_that_cannot_be_written_is_not_answered_and_is_told()
    {
        using ActorSystem system = ActorSystem.Create(
            "failing",
            FailingJournal.Configuration.WithFallback(SerializationConfiguration.Config));
        var told = new TaskCompletionSource<JournalUnavailable>();
        system.EventStream.Subscribe(
            system.ActorOf(Props.Create(() => new Listener(told))), typeof(JournalUnavailable));
        IActorRef ledger = Supervised(system);
        Assert.Equal(1, await RecordAsync(ledger, "kept"));

        FailingJournal.Fails = true;
        await Assert.ThrowsAsync<AskTimeoutException>(() =>
            ledger.Ask<int>(new Ledger.Record("lost"), TimeSpan.FromMilliseconds(300)));
        JournalUnavailable reason = await told.Task.WaitAsync(StateFolder.Patience);
        Assert.Equal("ledger-1", reason.PersistenceId);
        Assert.Contains("event 2 could not be written: the database went away", reason.Reason);

        FailingJournal.Fails = false;
        Assert.Equal(["kept"], await EventuallyAsync(() => ReadAsync(ledger)));
        Assert.Equal(2, await RecordAsync(ledger, "after"));
        await system.Terminate();
    }

    [Fact]
    public async Task Who_reads_a_journal_ahead_leaves_it_as_it_is()
    {
        using ActorSystem system = await StateFolder.StartAsync(_folder.Options);
        IActorRef ledger = system.ActorOf(Ledger.Props("ledger-1"));
        Assert.Equal(2, await RecordAsync(ledger, "a", "b"));

        await ReadAheadAsync(system, "ledger-1");
        await ReadAheadAsync(system, "ledger-that-is-not-there");

        Assert.Equal(3, await RecordAsync(ledger, "c"));
        Assert.Equal(["a", "b", "c"], await ReadAsync(ledger));
        await system.Terminate();
    }

    private static Task ReadAheadAsync(ActorSystem system, string journal) => system
        .ActorOf(JournalWarmUp.Props(journal).WithDispatcher(Dispatchers.DefaultDispatcherId))
        .WatchAsync().WaitAsync(StateFolder.Patience);

    private static IActorRef Supervised(ActorSystem system) => system.ActorOf(
        JournalSupervision.Of(Ledger.Props("ledger-1"), "ledger", s_soon, s_soon * 4));

    private static Task<int> RecordAsync(IActorRef ledger, params string[] lines) =>
        ledger.Ask<int>(new Ledger.Record(lines), StateFolder.Patience);

    private static Task<ImmutableList<string>> ReadAsync(IActorRef ledger) =>
        ledger.Ask<ImmutableList<string>>(new Ledger.Read(), TimeSpan.FromSeconds(1));

    // While the actor is away its supervisor drops what is told to it.
    private static async Task<T> EventuallyAsync<T>(Func<Task<T>> ask)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await ask();
            }
            catch (AskTimeoutException) when (attempt < 20)
            {
            }
        }
    }

    private sealed class Listener(TaskCompletionSource<JournalUnavailable> told) : UntypedActor
    {
        protected override void OnReceive(object message) =>
            told.TrySetResult((JournalUnavailable)message);
    }

    /// <summary>Keeps events in memory, unless it fails.</summary>
    private sealed class FailingJournal : MemoryJournal
    {
        private static volatile bool s_fails;

        public static bool Fails
        {
            set => s_fails = value;
        }

        public static Config Configuration { get; } = ConfigurationFactory.ParseString($$"""
            akka.loglevel = OFF
            akka.stdout-loglevel = OFF
            akka.persistence.journal {
              plugin = akka.persistence.journal.failing
              failing {
                class = "{{typeof(FailingJournal).FullName}}, {{
                    typeof(FailingJournal).Assembly.GetName().Name}}"
                plugin-dispatcher = akka.actor.default-dispatcher
              }
            }
            """);

        protected override Task<IImmutableList<Exception>> WriteMessagesAsync(
            IEnumerable<AtomicWrite> messages, CancellationToken cancellationToken) =>
            s_fails
                ? Task.FromException<IImmutableList<Exception>>(
                    new IOException("the database went away"))
                : base.WriteMessagesAsync(messages, cancellationToken);
    }
}
