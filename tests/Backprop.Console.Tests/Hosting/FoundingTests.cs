using Backprop.Console.Hosting;
using Backprop.Distributed.Configuration;

namespace Backprop.Console.Tests.Hosting;

public sealed class FoundingTests
{
    private static readonly NodeAddress[] s_nodes =
    [
        new("coordinator-1", 8471), new("coordinator-2", 8471), new("coordinator-3", 8471),
    ];

    [Theory]
    [InlineData(2, "3", true)] // The first is lost.
    [InlineData(3, "2", false)] // The second is to.
    [InlineData(2, "13", false)] // The first is there.
    [InlineData(2, "", false)] // Alone it is no majority.
    [InlineData(1, "2", true)]
    public void The_first_that_is_there_founds_when_the_majority_is(
        int self, string answering, bool founds) =>
        Assert.Equal(
            founds,
            Founding.IsUpTo(
                Node(self), Cluster(3),
                answering.Select(c => Node(c - '0')).ToHashSet()));

    [Fact]
    public void Who_is_not_joined_at_does_not_found() => Assert.False(Founding.IsUpTo(
        new NodeAddress("elsewhere", 8471), Cluster(3), s_nodes.ToHashSet()));

    [Fact]
    public void A_founder_is_the_first_that_it_joins_at()
    {
        ClusterConfiguration cluster = Founding.By(Node(2), Cluster(3));
        Assert.Equal([Node(2), Node(1), Node(3)], cluster.Join.AsEnumerable());
        Assert.True(Founding.IsBy(Node(2), cluster.Join));
        Assert.False(Founding.IsBy(Node(2), Cluster(3).Join));
        Assert.True(Founding.IsBy(Node(2), []));
    }

    private static NodeAddress Node(int number) => s_nodes[number - 1];

    private static ClusterConfiguration Cluster(int coordinators) => new(
        "tests", [.. s_nodes], coordinators, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(10),
        TimeSpan.FromMinutes(1), TimeSpan.FromHours(1));
}
