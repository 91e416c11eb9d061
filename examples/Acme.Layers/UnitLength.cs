using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Plugins;

namespace Acme.Layers;

/// <summary><c>acme-unit-length</c>: y = x / n with n = √(Σx² + epsilon).</summary>
public sealed class UnitLengthFactory : ILayerFactory
{
    public string Kind => "acme-unit-length";

    public ImmutableArray<LayerOption> Options =>
        [new NumberOption("epsilon", "added to the squared length", 1e-6, Minimum: 1e-12)];

    public ILayer Create(Shape input, LayerOptions options) =>
        new UnitLength(input, options.Number("epsilon"));
}

/// <summary>With δ = dE/dy: dE/dx = (δ − y·Σyδ) / n, since dn/dx = y.</summary>
internal sealed class UnitLength(Shape shape, double epsilon) : ILayer
{
    public Shape OutputShape => shape;

    public void Forward<T>(in RowForward<T> row)
        where T : unmanaged, IReal<T>
    {
        T length = T.Sqrt(T.Dot(row.Input, row.Input) + epsilon);
        for (int i = 0; i < row.Output.Length; i++)
        {
            row.Output[i] = row.Input[i] / length;
        }
    }

    public void Backward<T>(in RowBackward<T> row)
        where T : unmanaged, IReal<T>
    {
        T length = T.Sqrt(T.Dot(row.Input, row.Input) + epsilon);
        T along = T.Dot(row.Output, row.OutputGradient);
        for (int i = 0; i < row.InputGradient.Length; i++)
        {
            row.InputGradient[i] = (row.OutputGradient[i] - row.Output[i] * along) / length;
        }
    }
}
