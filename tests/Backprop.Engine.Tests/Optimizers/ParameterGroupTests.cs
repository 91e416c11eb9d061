using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;

namespace Backprop.Engine.Tests.Optimizers;

public sealed class ParameterGroupTests
{
    private static readonly Network Layers = Network.Build(
        Shape.Of(4),
        [
            new DenseDefinition(4) { Activation = new ReluDefinition() },
            new ResidualDefinition([new DenseDefinition(4), new DenseDefinition(4)]),
            new DenseDefinition(3) { WeightTrainable = false, BiasTrainable = false },
            new DenseDefinition(2) { Name = "head" },
        ]);

    [Theory]
    [InlineData("head", "head")]
    [InlineData("*", "dense1 dense2 head residual1.dense1 residual1.dense2")]
    [InlineData("dense*", "dense1 dense2")]
    [InlineData("residual1", "residual1.dense1 residual1.dense2")]
    [InlineData("*.dense2", "residual1.dense2")]
    [InlineData("*e*e1", "dense1 residual1.dense1")]
    [InlineData("r*.d*2", "residual1.dense2")]
    [InlineData("dense", "")]
    [InlineData("ead", "")]
    [InlineData("head*d", "")]
    public void A_pattern_matches_names_of_layers_and_of_blocks_that_hold_them(
        string pattern, string expected)
    {
        var group = new ParameterGroup([pattern]);
        Assert.Equal(
            expected,
            string.Join(' ', Layers.Layout.Views.Select(view => view.LayerName).Distinct()
                .Where(group.Contains).Order(StringComparer.Ordinal)));
    }

    [Fact]
    public void A_pattern_that_has_nothing_to_train_is_found()
    {
        ParameterLayout layout = Layers.Layout;
        ParameterGroup residual = new(["residual1"]), all = new(["*"]);
        Assert.Null(ParameterGroup.FindIdle([residual, all], layout));
        Assert.Equal((0, 1), ParameterGroup.FindIdle([new(["head", "tail"])], layout));

        // Frozen, without parameters, and all in a group before it.
        Assert.Equal((0, 0), ParameterGroup.FindIdle([new(["dense2"])], layout));
        Assert.Equal((0, 0), ParameterGroup.FindIdle([new(["dense1.activation"])], layout));
        Assert.Equal((1, 0), ParameterGroup.FindIdle([all, residual], layout));
    }
}
