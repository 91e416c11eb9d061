using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Dispatch.MessageQueues;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Embedded;

/// <summary>Counts what the nodes of a cluster tell the coordinator: the messages that come into
/// the mailboxes of actors with a journal, which nobody but the coordinator's are.</summary>
internal sealed class MessageTally
{
    private const string Mailbox = "akka.actor.mailbox.unbounded-deque-based";

    private static readonly ConcurrentDictionary<string, MessageTally> s_tallies = new();

    private long _total;

    public MessageTally()
    {
        string name = $"tally-{Guid.NewGuid()}";
        s_tallies[name] = this;
        Config = ConfigurationFactory.ParseString($$"""
            {{Mailbox}} {
              mailbox-type = "{{typeof(CountingMailbox).AssemblyQualifiedName}}"
              tally = {{name}}
            }
            """);
    }

    /// <summary>To be put before the rest of an actor system's configuration.</summary>
    public Config Config { get; }

    /// <summary>Messages of nodes so far.</summary>
    public long Total => Interlocked.Read(ref _total);

    private void Count(object message)
    {
        // The coordinator's actors tell themselves and each other things as well.
        if (message is WorkerStatus or ServerStatus or StepProgress or DigestReport or PushReport
            or CheckReport or CurveReport)
        {
            Interlocked.Increment(ref _total);
        }
    }

    /// <summary>Made by Akka, by its name in the configuration.</summary>
    internal sealed class CountingMailbox(Settings settings, Config config)
        : MailboxType(settings, config), IProducesMessageQueue<CountingDeque>
    {
        public override IMessageQueue Create(IActorRef owner, ActorSystem system) =>
            new CountingDeque(s_tallies[Config.GetString("tally")]);
    }

    internal sealed class CountingDeque(MessageTally tally)
        : DequeWrapperMessageQueue(new CountingQueue(tally)),
            IUnboundedDequeBasedMessageQueueSemantics;

    private sealed class CountingQueue(MessageTally tally) : IMessageQueue
    {
        private readonly UnboundedMessageQueue _queue = new();

        public bool HasMessages => _queue.HasMessages;

        public int Count => _queue.Count;

        public void Enqueue(IActorRef receiver, Envelope envelope)
        {
            tally.Count(envelope.Message);
            _queue.Enqueue(receiver, envelope);
        }

        public bool TryDequeue(out Envelope envelope) => _queue.TryDequeue(out envelope);

        public void CleanUp(IActorRef owner, IMessageQueue deadletters) =>
            _queue.CleanUp(owner, deadletters);
    }
}
