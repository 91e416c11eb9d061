using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Training.Tests.Protocol;

/// <summary>Everybody cuts the flat vector alike, and nothing is left out or sent twice.</summary>
public sealed class SlicePlanTests
{
    private static readonly ParameterLayout Layout = Network.Build(
        Shape.Of(784),
        [
            new DenseDefinition(512) { Activation = new ReluDefinition() },
            new DenseDefinition(300),
            new DenseDefinition(10),
        ]).Layout;

    [Fact]
    public void Pieces_of_layers_with_statistics_travel_as_they_are()
    {
        var plan = new SlicePlan(
            Network.Build(
                Shape.Of(784),
                [
                    new DenseDefinition(400), new BatchNormalizationDefinition(),
                    new LayerNormalizationDefinition(), new DenseDefinition(10),
                ]).Layout,
            2);
        var rounded = new TransportSpecification(ElementEncoding.Bf16);
        Assert.All(plan.Pieces, piece =>
        {
            Assert.Equal(piece.LayerIndex == 1, piece.IsOfStatistics);
            Assert.Equal(0, piece.Length % 16);
            Assert.Equal(
                piece.LayerIndex == 1 ? ElementEncoding.Fp32 : ElementEncoding.Bf16,
                rounded.OfGradient(piece));
            Assert.Equal(
                ElementEncoding.Fp32, TransportSpecification.Default.OfGradient(piece));
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    public void Pieces_tile_the_vector_within_slices_and_layers(int slices)
    {
        var plan = new SlicePlan(Layout, slices);
        int next = 0;
        foreach (Piece piece in plan.Pieces)
        {
            Assert.Equal(next, piece.Offset);
            Assert.InRange(piece.Length, 1, SlicePlan.MaxPieceLength);
            Assert.True(plan.SliceStart(piece.Slice) <= piece.Offset);
            Assert.True(piece.End <= plan.SliceStart(piece.Slice + 1));
            next = piece.End;
        }

        Assert.Equal(Layout.Length, next);
        Assert.Equal(Enumerable.Range(0, plan.Pieces.Length), plan.Pieces.Select(p => p.Index));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void Slices_are_whole_blocks_of_about_the_same_number(int slices)
    {
        var plan = new SlicePlan(Layout, slices);
        for (int slice = 0; slice < slices; slice++)
        {
            int blocks = plan.FirstBlock(slice + 1) - plan.FirstBlock(slice);
            Assert.InRange(
                blocks, Layout.BlockCount / slices, (Layout.BlockCount + slices - 1) / slices);
        }
    }

    [Fact]
    public void A_layers_pieces_hold_all_of_its_parameters()
    {
        var plan = new SlicePlan(Layout, 3);
        foreach (ParameterView view in Layout.Views)
        {
            Assert.Contains(
                plan.PiecesOfLayer(view.LayerIndex).ToArray(),
                piece => piece.Offset <= view.Offset && view.Offset < piece.End);
        }
    }

    [Fact]
    public void There_are_no_more_slices_than_blocks()
    {
        Assert.Equal(Layout.BlockCount, SlicePlan.SliceCountFor(Layout, 1_000));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => new SlicePlan(Layout, Layout.BlockCount + 1));
    }
}
