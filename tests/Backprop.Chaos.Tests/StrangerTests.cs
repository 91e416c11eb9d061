using System.Net;
using System.Security.Cryptography.X509Certificates;
using Backprop.Chaos.Network;
using Backprop.Chaos.Schedules;
using Backprop.Distributed.Nodes;

namespace Backprop.Chaos.Tests;

/// <summary>A cluster with TLS, at whose doors strangers knock while it trains: they are refused,
/// each reason is logged, and nothing else changes.</summary>
public sealed class StrangerTests : IDisposable
{
    private const int Length = 12;
    private const long MostGrowth = 192 << 20;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan s_instant = TimeSpan.FromSeconds(1);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("backprop-doors-");

    // As long as it is set to, for those who have the time.
    private static TimeSpan Siege => TimeSpan.FromSeconds(int.TryParse(
        Environment.GetEnvironmentVariable("BACKPROP_SIEGE_SECONDS"), out int seconds)
        ? seconds
        : 8);

    public void Dispose() => _directory.Delete(recursive: true);

    [SkippableFact]
    public async Task Strangers_at_every_door_change_nothing()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "every node has a loopback address of its own");
        var certificates = new ClusterCertificates(Path.Combine(_directory.FullName, "certs"));
        var others = new ClusterCertificates(Path.Combine(_directory.FullName, "others"));
        using var cluster = new ChaosCluster(
            _directory.FullName, Schedule.Calm(servers: 1, workers: 2),
            new ChaosOptions { HasProxies = false, Silence = null, Certificates = certificates });
        cluster.StartAll();
        (string run, _) =
            await Trial.BeginAsync(cluster, length: Length).WaitAsync(s_patience);

        int[] processes = [.. cluster.Nodes.Select(node => node.Process!.Id)];
        long[] memory = [.. cluster.Nodes.Select(node => node.Process!.ResidentBytes)];
        int knocks = await BesiegeAsync(cluster, certificates, others);

        RunState end = await Trial.SeeAsync(
            cluster, run, state => state.IsOver).WaitAsync(s_patience);
        Assert.Equal("completed", end.Standing);
        Assert.Equal(1, end.Generation);
        Assert.Equal(
            ChaosSpecification.Undisturbed(
                ChaosSpecification.For(Length), _directory.FullName),
            end.Weights);
        Assert.Equal(processes, cluster.Nodes.Select(node => node.Process!.Id));
        Assert.True(knocks > 100, $"strangers were there {knocks} times");
        for (int i = 0; i < memory.Length; i++)
        {
            Assert.InRange(cluster.Nodes[i].Process!.ResidentBytes - memory[i], long.MinValue,
                MostGrowth);
        }

        foreach (ChaosNode node in cluster.Nodes)
        {
            AssertToldOnce(node, "control connection", "it shows no certificate of this cluster");
            AssertToldOnce(
                node, "control connection",
                "it shows certificate 'stranger', which 'chaos authority' has issued, not this"
                + " cluster's authority");
            AssertToldOnce(node, "control connection", "it shows certificate 'old', which expired");
            AssertToldOnce(
                node, "control connection",
                "it shows certificate 'nobody', which is for no role of a node");
            AssertToldOnce(node, "message", "serializer 6 does not take its type");
            AssertToldOnce(node, "tensor link", "it shows no certificate");
            AssertToldOnce(
                node, "tensor link",
                "it shows certificate 'console', which is for console, not for");
            Assert.DoesNotContain(node.Log(), line => line.StartsWith("   at "));
        }
    }

    private static async Task<int> BesiegeAsync(
        ChaosCluster cluster, ClusterCertificates certificates, ClusterCertificates others)
    {
        using X509Certificate2 good = certificates.Issue("broken", NodeRoles.Worker);
        using X509Certificate2 stranger = others.Issue("stranger", NodeRoles.Worker);
        using X509Certificate2 old =
            certificates.Issue("old", NodeRoles.Worker, TimeSpan.FromSeconds(-1));
        using X509Certificate2 nobody = certificates.Issue("nobody", NodeRoles.None);
        using X509Certificate2 console = certificates.Issue("console", NodeRoles.Console);
        X509Certificate2?[] shown = [null, stranger, old, nobody];
        foreach (ChaosNode node in cluster.Nodes)
        {
            IPEndPoint[] doors = DoorsOf(node);
            (IPEndPoint control, IPEndPoint links) = (doors[0], doors[1]);
            foreach (X509Certificate2? one in shown.Concat(shown))
            {
                await Task.WhenAll(
                    Strangers.ShowAsync(control, one), Strangers.ShowAsync(links, one));
            }

            await Strangers.ShowAsync(links, console);
            bool[] answered = await Task.WhenAll(
                Strangers.TellAsync(control, certificate: null, s_instant),
                Strangers.TellAsync(control, stranger, s_instant),
                Strangers.TellAsync(control, good, s_patience));
            Assert.Equal([false, false, true], answered);
        }

        using var stop = new CancellationTokenSource(Siege);
        IPEndPoint[] all = [.. cluster.Nodes.SelectMany(DoorsOf)];
        var api = new IPEndPoint(IPAddress.Loopback, cluster.Api.Address.Port);
        int[] knocks = await Task.WhenAll(
        [
            Strangers.PourAsync(api, seed: 0, stop.Token),
            .. all.Select((door, i) => Strangers.PourAsync(door, i, stop.Token)),
            .. all.Select((door, i) => Strangers.PourSecurelyAsync(door, good, i, stop.Token)),
        ]);
        return knocks.Sum();
    }

    private static IPEndPoint[] DoorsOf(ChaosNode node)
    {
        IPAddress address = LoopbackProxy.AddressOf(node.Number);
        return [new IPEndPoint(address, node.Port), new IPEndPoint(address, node.LinksPort)];
    }

    private static void AssertToldOnce(ChaosNode node, string what, string reason)
    {
        string[] told =
        [
            .. node.Log().Where(line => line.Contains($"A {what} from ")
                && line.Contains($"was refused: {reason}")),
        ];

        // Once a minute, and the count of what came after.
        Assert.True(
            told.Length >= 1 && told.Length <= 1 + (int)Math.Ceiling(Siege.TotalMinutes),
            $"node {node.Number} has told {told.Length} times of a {what}: {reason}\n"
            + string.Join('\n', node.Log()));
    }
}
