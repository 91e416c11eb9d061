using Akka.Configuration;
using Akka.Persistence.Snapshot;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Serialization;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>What actors are tested under: a node's dispatchers, and checkpoints in memory.
/// </summary>
internal static class ActorConfiguration
{
    public static Config Config { get; } = ConfigurationFactory.ParseString($$"""
        akka {
          loglevel = WARNING
          stdout-loglevel = OFF
          actor.serialize-messages = on
          loggers = []
          persistence {
            journal.plugin = "akka.persistence.journal.inmem"
            snapshot-store {
              plugin = "akka.persistence.snapshot-store.sql"
              sql {
                class = "{{typeof(MemorySnapshotStore).FullName}}, Akka.Persistence"
                plugin-dispatcher = "akka.actor.default-dispatcher"
              }
            }
          }
        }
        """).WithFallback(NodeDispatchers.Config).WithFallback(SerializationConfiguration.Config);
}
