using System.Collections.Immutable;
using System.Net;
using Backprop.Chaos.Network;
using Backprop.Chaos.Schedules;
using Backprop.Distributed.Nodes;

namespace Backprop.Chaos;

/// <summary>A cluster of processes that faults can be done to. None of its processes outlives it.
/// </summary>
internal sealed class ChaosCluster : IDisposable
{
    private readonly LinkRules _rules;

    /// <summary>One whose processes are not started yet.</summary>
    /// <param name="directory">For state and logs.</param>
    /// <param name="schedule">Which nodes it has.</param>
    /// <param name="options">How its nodes are run.</param>
    public ChaosCluster(string directory, Schedule schedule, ChaosOptions options)
    {
        Directory.CreateDirectory(directory);
        _rules = new LinkRules { Delay = options.Delay };
        Nodes =
        [
            .. schedule.Widths.Select((width, number) => new ChaosNode(
                number, schedule.PartOf(number), directory, width, _rules, options)),
        ];
        int api = FreePorts.Next(IPAddress.Loopback);
        Api = options.Certificates is { } certificates
            ? new RunApi(new Uri($"https://127.0.0.1:{api}"), certificates.Handler())
            : new RunApi(new Uri($"http://127.0.0.1:{api}"), new SocketsHttpHandler());
        foreach (ChaosNode node in Nodes)
        {
            node.Configure(Configuration(node, Nodes[0], directory, api, options));
        }
    }

    /// <summary>Its nodes, by number.</summary>
    public ImmutableArray<ChaosNode> Nodes { get; }

    /// <summary>The coordinator's API.</summary>
    public RunApi Api { get; }

    /// <summary>Does a fault to it.</summary>
    /// <returns>What ends the fault, and after how long; null: nothing has to.</returns>
    public (TimeSpan After, Action Undo)? Do(Fault fault)
    {
        switch (fault)
        {
            case Fault.Kill(var node, var away):
                Nodes[node].End();
                return (away, Nodes[node].Start);
            case Fault.Stop(var node, var away):
                Nodes[node].Process?.Stop();
                return (away, () => Nodes[node].Process?.Continue());
            case Fault.Leave(var node, var away):
                Nodes[node].Process?.Terminate();
                return (away, () => { });
            case Fault.KillAll:
                foreach (ChaosNode node in Nodes)
                {
                    node.End();
                }

                return (TimeSpan.Zero, StartAll);
            case Fault.Cut(var one, var other, var away):
                _rules.SetBoth(one, other, LinkRule.Cut);
                return (away, () => _rules.SetBoth(one, other, LinkRule.Open));
            case Fault.Black(var from, var to, var away):
                _rules.Set(from, to, LinkRule.Black);
                return (away, () => _rules.Set(from, to, LinkRule.Open));
            case Fault.Isolate(var node, var away):
                SetAround(node, LinkRule.Black);
                return (away, () => SetAround(node, LinkRule.Open));
            case Fault.Slow(var node, var away):
                SetAround(node, LinkRule.Slow);
                return (away, () => SetAround(node, LinkRule.Open));
            default:
                throw new ArgumentException($"unknown fault {fault}");
        }
    }

    /// <summary>Starts every node that has no process, as whoever looks after a machine does.
    /// </summary>
    public void StartAll()
    {
        foreach (ChaosNode node in Nodes)
        {
            node.Start();
        }
    }

    /// <summary>Every link is as it should be.</summary>
    public void Heal()
    {
        for (int node = 0; node < Nodes.Length; node++)
        {
            SetAround(node, LinkRule.Open);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ChaosNode node in Nodes)
        {
            node.Dispose();
        }

        Api.Dispose();
    }

    private void SetAround(int node, LinkRule rule)
    {
        for (int other = 0; other < Nodes.Length; other++)
        {
            _rules.SetBoth(node, other, rule);
        }
    }

    private static string Configuration(
        ChaosNode node, ChaosNode coordinator, string directory, int api, ChaosOptions options)
    {
        string role = RoleNames.Of(ChaosNode.RoleOf(node.Part));
        string bindHost = options.HasProxies ? "127.0.0.1" : "";
        string join = node.Part == NodePart.Coordinator ? "" : $"\"{coordinator.Address}\"";
        return $$"""
            backprop {
              cluster {
                name = chaos, join = [{{join}}], join-deadline = 3m
              }
              node {
                host = "{{LoopbackProxy.AddressOf(node.Number)}}", port = {{node.Port}}
                bind-host = "{{bindHost}}", roles = [{{role}}], shutdown-grace = 15s
              }
              # Unix sockets would pass by the proxies, which cut and delay.
              links { port = {{node.LinksPort}}, local = off }
              persistence { {{options.Persistence
                ?? $"directory = \"{Path.Combine(directory, "state")}\""}} }
              api { port = {{(node.Part == NodePart.Coordinator ? api : 0)}} }
            }
            {{(options.Silence is { } silence ? Impatience(silence) : "")}}
            """;
    }

    private static string Impatience(TimeSpan silence) => $$"""
        backprop.cluster.acceptable-pause = {{(int)silence.TotalSeconds}}s
        backprop.cluster.stable-after = 3s
        backprop.links.silence-deadline = 4s
        """;
}
