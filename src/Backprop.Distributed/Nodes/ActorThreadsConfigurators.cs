using Akka.Configuration;
using Akka.Dispatch;

namespace Backprop.Distributed.Nodes;

/// <summary>Makes the threads of a dispatcher whose <c>executor</c> is this type; as many as its
/// <c>thread-count</c> says.</summary>
internal sealed class ActorThreadsConfigurator : ExecutorServiceConfigurator
{
    private readonly int _count;

    /// <summary>Reads the dispatcher's settings; called by Akka.</summary>
    /// <exception cref="ConfigurationException">No thread is asked for.</exception>
    public ActorThreadsConfigurator(Config config, IDispatcherPrerequisites prerequisites)
        : base(config, prerequisites)
    {
        _count = config.GetInt("thread-count", 1);
        if (_count < 1)
        {
            throw new ConfigurationException(
                $"{config.GetString("id")}.thread-count: {_count}; 1 or more would be right");
        }
    }

    /// <inheritdoc/>
    public override ExecutorService Produce(string id) => new ActorThreads(id, _count);
}

/// <summary>A dispatcher that gives every actor a thread of its own; named by a dispatcher's
/// <c>type</c>.</summary>
/// <param name="config">The dispatcher's settings.</param>
/// <param name="prerequisites">Akka's.</param>
internal sealed class ActorThreadConfigurator(
    Config config, IDispatcherPrerequisites prerequisites)
    : MessageDispatcherConfigurator(config, prerequisites)
{
    /// <inheritdoc/>
    public override MessageDispatcher Dispatcher() => new PinnedDispatcher(
        this, Config.GetString("id"), Config.GetInt("throughput"),
        Config.GetTimeSpan("throughput-deadline-time").Ticks,
        new ActorThreadsConfigurator(Config, Prerequisites),
        Config.GetTimeSpan("shutdown-timeout"));
}
