using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Initializers;
using Backprop.Engine.Networks;
using Backprop.Engine.Plugins;

namespace Acme.Layers;

/// <summary><c>acme-radial-basis</c>: y[j] = e^(−s[j]·|x − c[j]|²), with learned centres c and
/// sharpnesses s. Broomhead and Lowe, "Multivariable functional interpolation and adaptive
/// networks", 1988.</summary>
public sealed class RadialBasisFactory : ILayerFactory
{
    public string Kind => "acme-radial-basis";

    public ImmutableArray<LayerOption> Options =>
    [
        new IntegerOption("units", "centres: the layer's outputs", Maximum: 65_536),
        new NumberOption("sharpness", "what each begins with", 1, Minimum: 1e-6, Maximum: 1e6),
        new NumberOption("spread", "the centres' first standard deviation", 0.1, Minimum: 1e-6),
    ];

    public ILayer Create(Shape input, LayerOptions options) => new RadialBasis(
        input.Count, options.Integer("units"), options.Number("sharpness"),
        options.Number("spread"));
}

/// <summary>With g[j] = dE/dy[j]·y[j] and d = x − c[j]: dE/ds[j] = −g[j]·Σd²,
/// dE/dc[j] = 2·s[j]·g[j]·d, and dE/dx = −Σ 2·s[j]·g[j]·d over the centres.</summary>
internal sealed class RadialBasis(int inputs, int units, double sharpness, double spread) : ILayer
{
    private const int Centres = 0;
    private const int Sharpness = 1;

    public Shape OutputShape => Shape.Of(units);

    public ImmutableArray<ParameterDeclaration> Parameters =>
    [
        new("centres", Shape.Of(units, inputs), ParameterRole.Weight, new Normal(0, (float)spread)),
        new("sharpness", Shape.Of(units), ParameterRole.Scale, new Constant((float)sharpness)),
    ];

    // The difference from a centre.
    public int ScratchLength => inputs;

    public void Forward<T>(in RowForward<T> row)
        where T : unmanaged, IReal<T>
    {
        for (int j = 0; j < units; j++)
        {
            Difference(row.Input, row.Parameter(Centres).Slice(j * inputs, inputs), row.Scratch);
            T square = T.Dot(row.Scratch, row.Scratch);
            row.Output[j] = T.Exp(-row.Parameter(Sharpness)[j] * square);
        }
    }

    public void Backward<T>(in RowBackward<T> row)
        where T : unmanaged, IReal<T>
    {
        for (int j = 0; j < units; j++)
        {
            Difference(row.Input, row.Parameter(Centres).Slice(j * inputs, inputs), row.Scratch);
            T gradient = row.OutputGradient[j] * row.Output[j];
            T factor = 2 * row.Parameter(Sharpness)[j] * gradient;
            row.ParameterGradient(Sharpness)[j] -= gradient * T.Dot(row.Scratch, row.Scratch);
            Span<T> centre = row.ParameterGradient(Centres).Slice(j * inputs, inputs);
            for (int i = 0; i < inputs; i++)
            {
                centre[i] += factor * row.Scratch[i];
                row.InputGradient[i] -= factor * row.Scratch[i];
            }
        }
    }

    private static void Difference<T>(ReadOnlySpan<T> x, ReadOnlySpan<T> centre, Span<T> difference)
        where T : unmanaged, IReal<T>
    {
        for (int i = 0; i < difference.Length; i++)
        {
            difference[i] = x[i] - centre[i];
        }
    }
}
