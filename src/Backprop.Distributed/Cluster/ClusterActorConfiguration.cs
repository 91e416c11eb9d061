using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Serialization;

namespace Backprop.Distributed.Cluster;

/// <summary>Akka's configuration of a node in a cluster of processes.</summary>
public static class ClusterActorConfiguration
{
    /// <summary>The name of every node's actor system: clusters are told apart when nodes introduce
    /// themselves, so that it can be said what is wrong.</summary>
    public const string SystemName = "backprop";

    // Tensors have links of their own; a status may carry the sums of a part of an evaluation.
    private const int MaxFrameBytes = 4 << 20;

    /// <summary>To be put before that of journal and snapshot store, and Akka's defaults.</summary>
    /// <exception cref="ArgumentException">The number of coordinators is even or below 1.
    /// </exception>
    public static Config Of(ClusterOptions options)
    {
        if (options.Coordinators < 1 || options.Coordinators % 2 == 0)
        {
            throw new ArgumentException(
                $"{options.Coordinators} coordinators: 1 or another odd number would be right");
        }

        string roles = string.Join(
            ", ", RoleNames.OfEach(options.Roles).Select(role => $"\"{role}\""));
        // With one coordinator, the oldest node decides, whatever its role; with more, the majority
        // of coordinators does, so that losing workers cannot take them down.
        string strategy = options.Coordinators == 1 ? "keep-oldest" : "keep-majority";
        return ConfigurationFactory.ParseString($$"""
            akka {
              actor {
                provider = cluster
                internal-dispatcher {
                  type = Dispatcher
                  throughput = 5
                  executor = "{{NodeDispatchers.Executor}}"
                  thread-count = 3
                }
              }
              # Nothing here is timed to less; each tick wakes a thread of the CLR pool.
              scheduler.tick-duration = 25ms
              # A process that was started again is dialled at once, not after 5 s.
              remote.retry-gate-closed-for = 250ms
              remote.dot-netty.tcp {
                hostname = "{{options.BindHost ?? options.Host}}"
                port = {{(options.BindPort > 0 ? options.BindPort : options.Port)}}
                public-hostname = "{{options.Host}}"
                public-port = {{options.Port}}
                maximum-frame-size = {{MaxFrameBytes}}b
                send-buffer-size = {{2 * MaxFrameBytes}}b
                receive-buffer-size = {{2 * MaxFrameBytes}}b
              }
              cluster {
                roles = [{{roles}}]
                # Fewer are no cluster: one that starts alone waits for the others.
                role.{{RoleNames.Of(NodeRoles.Coordinator)}}.min-nr-of-members =
                  {{(options.Coordinators / 2) + 1}}
                downing-provider-class =
                  "Akka.Cluster.SBR.SplitBrainResolverProvider, Akka.Cluster"
                run-coordinated-shutdown-when-down = on
                allow-weakly-up-members = 1s
                # Who joins, or takes over, waits for a few rounds of these; messages are small, and
                # every node sends one a round, however many there are.
                gossip-interval = 100ms
                leader-actions-interval = 100ms
                periodic-tasks-initial-delay = 100ms
                # A process that was started again waits until the one before is taken out, which is
                # a matter of one gossip: the defaults would be most of what a restart takes. Who
                # may found a cluster waits longer for the others; everybody else only asks again
                # after this, whether somebody has founded it.
                retry-unsuccessful-join-after = 250ms
                seed-node-timeout = {{(options.MayFound ? 5 : 1)}}s
                # How soon whoever looks for the coordinator finds the new one.
                singleton-proxy.singleton-identification-interval = 200ms
                split-brain-resolver {
                  active-strategy = {{strategy}}
                  stable-after = {{Milliseconds(options.StableAfter)}}
                  # By default the whole cluster is taken down when nodes come and go for longer,
                  # lest two sides decide differently. Two coordinators do no harm here, since the
                  # database knows only one term, and a few machines with a bad network must not
                  # stop all others: it is waited until they have been quiet for long enough.
                  down-all-when-unstable = off
                  keep-majority.role = "{{RoleNames.Of(NodeRoles.Coordinator)}}"
                }
                failure-detector {
                  acceptable-heartbeat-pause = {{Milliseconds(options.AcceptablePause)}}
                }
              }
              coordinated-shutdown {
                exit-clr = off
                run-by-clr-shutdown-hook = off
                default-phase-timeout = {{Milliseconds(options.LeavingDeadline)}}
              }
            }
            """)
            .WithFallback(SerializationConfiguration.Config)
            .WithFallback(NodeDispatchers.Config)
            .WithFallback(ClusterSingleton.DefaultConfig());
    }

    private static string Milliseconds(TimeSpan time) => $"{(long)time.TotalMilliseconds}ms";
}
