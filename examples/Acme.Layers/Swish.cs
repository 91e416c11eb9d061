using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Initializers;
using Backprop.Engine.Networks;
using Backprop.Engine.Plugins;

[assembly: LayerPlugin]

namespace Acme.Layers;

public sealed class SwishFactory : ILayerFactory
{
    public string Kind => "acme-swish";

    public ImmutableArray<LayerOption> Options =>
        [new NumberOption("beta", "the sharpness that it begins with", 1, Minimum: 0)];

    public ILayer Create(Shape input, LayerOptions options) =>
        new Swish(input, options.Number("beta"));
}

// y = x·σ(βx), β learned: Ramachandran et al., "Searching for activation functions", 2017.
internal sealed class Swish(Shape shape, double beta) : ILayer
{
    public Shape OutputShape => shape;

    public ImmutableArray<ParameterDeclaration> Parameters =>
        [new("beta", Shape.Of(1), ParameterRole.Scale, new Constant((float)beta))];

    public void Forward<T>(in RowForward<T> row)
        where T : unmanaged, IReal<T>
    {
        T beta = row.Parameter(0)[0];
        for (int i = 0; i < row.Output.Length; i++)
        {
            row.Output[i] = row.Input[i] * T.Sigmoid(beta * row.Input[i]);
        }
    }

    public void Backward<T>(in RowBackward<T> row)
        where T : unmanaged, IReal<T>
    {
        T beta = row.Parameter(0)[0];
        for (int i = 0; i < row.Output.Length; i++)
        {
            T x = row.Input[i], s = T.Sigmoid(beta * x), slope = s * (1 - s);
            row.InputGradient[i] = row.OutputGradient[i] * (s + beta * x * slope);
            row.ParameterGradient(0)[0] += row.OutputGradient[i] * x * x * slope;
        }
    }
}
