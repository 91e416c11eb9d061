using Akka.Configuration;

namespace Backprop.Distributed.Nodes;

/// <summary>The threads that a node's actors run on: their own, since the CLR pool's belong to
/// timers and sockets.</summary>
public static class NodeDispatchers
{
    /// <summary>A thread for each actor: a slice adds up gradients on it.</summary>
    public const string Slice = "backprop.dispatchers.slice";

    /// <summary>A few threads for all others.</summary>
    public const string Nodes = "backprop.dispatchers.nodes";

    /// <summary>To be put before Akka's defaults.</summary>
    public static Config Config { get; } = ConfigurationFactory.ParseString($$"""
        backprop.dispatchers {
          slice {
            type = "{{NameOf<ActorThreadConfigurator>()}}"
            throughput = 16
          }
          nodes {
            type = Dispatcher
            executor = "{{NameOf<ActorThreadsConfigurator>()}}"
            throughput = 16
            thread-count = 2
          }
        }
        """);

    /// <summary>The executor of dispatchers that are Akka's: <c>thread-count</c> threads of their
    /// own.</summary>
    internal static string Executor => NameOf<ActorThreadsConfigurator>();

    private static string NameOf<T>() =>
        $"{typeof(T).FullName}, {typeof(T).Assembly.GetName().Name}";
}
