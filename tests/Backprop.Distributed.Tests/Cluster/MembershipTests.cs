using Akka.Actor;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Tests.Cluster;

/// <summary>Nodes join, leave and are refused, over sockets.</summary>
public sealed class MembershipTests
{
    private const NodeRoles Work = NodeRoles.Worker | NodeRoles.ParameterServer;

    [Fact]
    public async Task Nodes_that_join_know_each_other_and_the_coordinator_knows_them()
    {
        await using var cluster = new ClusterOnLoopback();
        LoopbackNode first = cluster.Add(NodeRoles.Coordinator);
        LoopbackNode second = cluster.Add(Work);
        LoopbackNode third = cluster.Add(NodeRoles.Worker);
        await ClusterOnLoopback.AwaitAsync(
            () => new[] { first, second, third }.All(one => one.Knows(first, second, third)),
            "not all know each other");

        NodesAvailable seen = await ClusterOnLoopback.SeeAsync(
            first, told => told.Nodes.Count(node => node.IsUsable) == 3, "not three usable nodes");
        AvailableNode other = seen.Nodes.Single(node => node.Id == second.Id);
        Assert.NotNull(other.Worker);
        Assert.NotNull(other.ParameterServer);
        Assert.Null(seen.Nodes.Single(node => node.Id == third.Id).ParameterServer);
        Assert.Equal("127.0.0.1", other.Description.Links.Host);
        Assert.Equal(7, other.Description.Links.Port);
        Assert.Equal("up", other.Status);
    }

    [Fact]
    public async Task A_node_that_leaves_is_forgotten()
    {
        await using var cluster = new ClusterOnLoopback();
        LoopbackNode first = cluster.Add(NodeRoles.Coordinator);
        LoopbackNode second = cluster.Add(Work);
        await ClusterOnLoopback.AwaitAsync(() => first.Knows(first, second), "no second node");
        second.Cluster.Leave(second.Cluster.SelfAddress);
        await ClusterOnLoopback.AwaitAsync(() => first.Knows(first), "it is still known");
        await ClusterOnLoopback.SeeAsync(
            first, told => told.Nodes.Length == 1, "the coordinator still has it");
    }

    [Fact]
    public async Task A_node_whose_process_has_ended_is_of_no_use_from_then_on()
    {
        await using var cluster = new ClusterOnLoopback();
        LoopbackNode first = cluster.Add(NodeRoles.Coordinator);
        LoopbackNode second = cluster.Add(Work);
        await ClusterOnLoopback.SeeAsync(
            first, told => told.Nodes.Count(node => node.IsUsable) == 2, "not two usable nodes");
        first.System.ActorSelection("/user/" + Membership.Name)
            .Tell(new NodeEnded(second.Id), ActorRefs.NoSender);
        NodesAvailable seen = await ClusterOnLoopback.SeeAsync(
            first, told => told.Nodes.Any(node => node.Status == "ended"), "nobody has ended");
        Assert.Equal([first.Id], seen.Nodes.Where(node => node.IsUsable).Select(node => node.Id));
    }

    [Fact]
    public async Task The_coordinator_moves_when_its_node_leaves_and_is_still_reached()
    {
        await using var cluster = new ClusterOnLoopback();
        LoopbackNode first = cluster.Add(NodeRoles.Coordinator);
        LoopbackNode second = cluster.Add(NodeRoles.Coordinator);
        LoopbackNode worker = cluster.Add(NodeRoles.Worker);
        await ClusterOnLoopback.AwaitAsync(
            () => worker.Knows(first, second, worker) && second.Knows(first, second, worker),
            "not all are there");
        Assert.Equal(first.Id, (await ShowAsync(worker)).Coordinator);
        first.Cluster.Leave(first.Cluster.SelfAddress);
        await ClusterOnLoopback.SeeAsync(
            second, told => told.Nodes.Length == 2, "the coordinator has not moved");
        Assert.Equal(second.Id, (await ShowAsync(worker)).Coordinator);
    }

    [Theory]
    [InlineData("3.0/4/4/1", "test", "upgrade the cluster to a version between them first")]
    [InlineData("1.0/1/1/1", "test", "upgrade the node first")]
    [InlineData("2.0/3/2/2", "test", "a run would come to other bits")]
    [InlineData("2.0/3/2/1", "other", "means to join cluster 'other'")]
    public async Task A_node_of_a_version_too_far_or_of_another_cluster_is_refused_on_both_sides(
        string version, string name, string reason)
    {
        await using var cluster = new ClusterOnLoopback();
        LoopbackNode first = cluster.Add(NodeRoles.Coordinator);
        await ClusterOnLoopback.SeeAsync(first, told => told.Nodes.Length == 1, "no first node");
        LoopbackNode stranger = cluster.Add(NodeRoles.Worker, version, name);
        await ClusterOnLoopback.AwaitAsync(
            () => !stranger.Refusals.IsEmpty, "it is not told that it is refused");
        Assert.All(stranger.Refusals, text => Assert.Contains(reason, text));
        NodesAvailable seen = await ClusterOnLoopback.SeeAsync(
            first, told => told.Warnings.Length == 1, "the coordinator was not warned");
        Assert.Contains(reason, seen.Warnings[0]);
        Assert.Equal([first.Id], seen.Nodes.Select(node => node.Id));
        Assert.True(first.Knows(first));
        Assert.Empty(first.Refusals);
    }

    [Theory]
    [InlineData("1.0/2/1/1")]
    [InlineData("3.0/4/3/1")]
    public async Task A_node_of_the_version_before_or_after_is_let_in(string version)
    {
        await using var cluster = new ClusterOnLoopback();
        LoopbackNode first = cluster.Add(NodeRoles.Coordinator);
        LoopbackNode other = cluster.Add(NodeRoles.Worker, version);
        NodesAvailable seen = await ClusterOnLoopback.SeeAsync(
            first, told => told.Nodes.Count(node => node.IsUsable) == 2, "not two usable nodes");
        NodeDescription known = seen.Nodes.Single(node => node.Id == other.Id).Description;
        Assert.Equal(
            SoftwareVersion.Parse(version), new SoftwareVersion(
                known.SoftwareVersion, known.Protocol));
        Assert.Empty(seen.Warnings);
        Assert.Empty(other.Refusals);
    }

    private static async Task<ClusterView> ShowAsync(LoopbackNode from) =>
        Assert.IsType<CoordinatorAnswer.Cluster>(await from.Client.AskAsync(
            new CoordinatorRequest.ShowCluster(), CancellationToken.None)).View;
}
